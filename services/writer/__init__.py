"""The writer; `python -m mnemostream.services.writer.main`."""
