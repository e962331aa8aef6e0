"""The watcher; `python -m mnemostream.services.watcher.main`."""
