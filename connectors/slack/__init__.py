"""Slack: events in, questions and commands out; answers in, blocks out."""
