"""Rows of another program's SQLite database, read so that its owner notices nothing, and written down exactly."""
