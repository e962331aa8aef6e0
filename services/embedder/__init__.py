"""The embedder; `python -m mnemostream.services.embedder.main`."""
