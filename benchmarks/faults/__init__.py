"""What happens to a running Lorebot when something that it needs fails, and how it recovers."""
