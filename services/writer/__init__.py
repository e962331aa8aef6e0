"""The writer; `python -m services.writer.main`."""
