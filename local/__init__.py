"""The one-command mode without Docker, and the person's commands."""
