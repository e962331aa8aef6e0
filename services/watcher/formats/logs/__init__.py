"""Logs of one assistant each, or of a few. Pure."""
