"""Platform events in, conversation out: the Slack, Discord and terminal wing."""
