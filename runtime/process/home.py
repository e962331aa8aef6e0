"""The home folder of who runs this."""

from __future__ import annotations

from pathlib import Path

NOWHERE = Path("/nonexistent")
"""As systems name the home of users that have none."""


def home() -> Path:
    """`$HOME`, else what the system knows of the user, else a folder that does not exist."""
    try:
        return Path.home()
    except RuntimeError:  # a user id without an entry, as in `docker run --user 12345`
        return NOWHERE
