"""What one `mnemo up` is to run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from mnemostream.contracts.sources import Root
from mnemostream.local import folder
from mnemostream.runtime.settings import listed

NATS_PORT = 4222
HEALTH_PORT = 8001
POSTGRES_PORT = 54329


class Plan(msgspec.Struct, frozen=True):
    """What to run. `settings` are extra environment variables for the services."""

    data: Path
    roots: Sequence[Path | Root]
    embedders: int = 1
    nats_port: int = NATS_PORT
    health_port: int = HEALTH_PORT
    postgres_port: int = POSTGRES_PORT
    settings: Mapping[str, str] = {}
    nats_via: int = 0
    postgres_via: int = 0
    """Ports at which the services reach the servers, for a proxy in between; 0 = the servers' own."""
    nats_url: str = ""
    postgres_dsn: str = ""
    """Of servers that somebody else runs; empty = they are started here."""
    guard: bool = True
    """Kill and start again what hangs; false where a drill wants to see it hang."""

    @property
    def own_servers(self) -> list[str]:
        """Those that are started here; their files lie in folders of these names."""
        return [name for name, given in (("nats", self.nats_url), ("postgres", self.postgres_dsn)) if not given]


def listed_of(plan: Plan, name: str) -> tuple[str, ...]:
    """A variable that is a list."""
    return tuple(listed(env_of(plan, name)))


def host_of(plan: Plan) -> str:
    """The name of this installation in transcript ids."""
    return env_of(plan, "MNEMO_HOST") or folder.host_name(plan.data)


def env_of(plan: Plan, name: str) -> str:
    """A variable as the services will see it."""
    return plan.settings.get(name) or os.environ.get(name, "")
