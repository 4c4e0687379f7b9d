"""Lorebot in Discord."""
