"""Databases of assistants: what changes in them is written down as row logs, which are captured like any log."""
