"""Numbered, forward-only changes of the database, applied by `python -m services.writer.migrate`."""
