"""The embedder; `python -m services.embedder.main`."""
