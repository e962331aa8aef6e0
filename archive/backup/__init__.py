"""Backups: snapshots of the streams that are kept, in one file, proved by being restored."""
