"""The watcher; `python -m services.watcher.main`."""
