"""What every service stands on: connection, consumer loop, heartbeat, settings, clock, logs, lifecycle."""
