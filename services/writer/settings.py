"""Settings of the writer."""

from __future__ import annotations

from mnemostream.runtime.settings import Common


class Settings(Common, frozen=True, kw_only=True):
    """Environment: the common variables only."""
