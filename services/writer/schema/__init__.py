"""Numbered, forward-only changes of the database, applied by `python -m mnemostream.services.writer.migrate`."""
