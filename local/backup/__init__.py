"""Backups of this machine's archive: made and proved, restored, made again and again."""
