"""The disk: folders that are walked, what is left in them, compressed files."""
