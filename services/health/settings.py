"""Settings of the health service."""

from __future__ import annotations

from runtime.settings import Common


class Settings(Common, frozen=True, kw_only=True):
    """Environment: `MNEMO_HEALTH_<FIELD>`, and the common ones."""

    bind: str = "127.0.0.1"
    """Address to listen on. Anything but loopback needs `token` for everything that shows content."""
    port: int = 8001
    """Port of the HTTP API."""
    token: str = ""
    """Bearer token for content when not bound to loopback."""
    probe_seconds: float = 3.0
    """Time between two looks at the bus and the database, seconds."""
    figures_seconds: float = 10.0
    """Least time between two counts over the database, seconds; none is made while nothing was written."""
    grace_seconds: float = 45.0
    """After its start, the service calls a stage that it never heard of `unknown` so long, then `unhealthy`."""

    @property
    def open(self) -> bool:
        """True when only this machine can ask."""
        return self.bind in ("127.0.0.1", "::1", "localhost")
