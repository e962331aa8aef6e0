"""The health; `python -m services.health.main`."""
