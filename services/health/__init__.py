"""The health; `python -m mnemostream.services.health.main`."""
