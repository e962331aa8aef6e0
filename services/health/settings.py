"""Settings of the health service."""

from __future__ import annotations

from mnemostream.contracts.events import Stage
from mnemostream.runtime.errors import Misconfigured
from mnemostream.runtime.settings import Common
from mnemostream.services.health.notify.targets import targets

RANGES: dict[str, tuple[float, float]] = {
    "port": (0, 65535),
    "evaluate_seconds": (0.01, 2.0),  # 8 s without one are taken for sleep
    "probe_seconds": (0.05, 5.0),  # a look that is older than 20 s says nothing
    "figures_seconds": (0.05, 3600.0),
    "grace_seconds": (0.0, 3600.0),
    "eta_seconds": (1.0, 604_800.0),
    "webhook_seconds": (0.0, 86_400.0),
    "canary_seconds": (0.0, 86_400.0),
}
"""Least and most of what a number may be."""


class Settings(Common, frozen=True, kw_only=True):
    """Environment: `MNEMO_HEALTH_<FIELD>`, and the common ones."""

    bind: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8001
    """Port of the HTTP API."""
    socket: str = ""
    """Path of a socket on which the API listens too, in a folder that only its owner may enter; empty = none."""
    token: str = ""
    """Bearer token: required for content, names of files and paths, and for changes; empty = these are not served."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names that the API accepts besides those of loopback (against DNS rebinding); `*` = any."""
    evaluate_seconds: float = 1.0
    """Time between two evaluations, seconds."""
    probe_seconds: float = 2.0
    """Time between two probes of NATS and of the database, seconds."""
    figures_seconds: float = 10.0
    """Longest time between two counts over the database, seconds; less after a quick one, and none while nothing is
    written."""
    grace_seconds: float = 45.0
    """How long after its own start a stage never heard from is reported as `unknown`, then as `unhealthy`; seconds."""
    desired: tuple[str, ...] = ()
    """How many instances should run, for example `embedder=4`; for a stage not listed, as many as were seen."""
    eta_seconds: float = 600.0
    """Time in which embedders should clear a backlog, seconds: `desired_for_eta` in the API tells their number."""
    system_url: str = ""
    """Address of NATS as the user `system`, to ask nats-server whether its store works; empty = do not ask."""
    disks: tuple[str, ...] = ()
    """Folders whose disk space is monitored, for example `nats=/data`, `postgres=/pgdata`."""
    webhooks: str = ""
    """Alert targets, separated by spaces: `slack+https://…`, `discord+https://…`, else JSON. May contain secrets."""
    webhook_from: str = "degraded"
    """The least severe status that triggers an alert: `degraded` or `unhealthy`."""
    webhook_seconds: float = 300.0
    """Minimum time between two alerts about one component, seconds; its last state is sent when that time is over."""
    canary_seconds: float = 0.0
    """Time between two synthetic transcript lines, each of which must become a row with a vector, seconds; 0 = off."""
    canary_folder: str = ""
    """Folder for these lines; set `MNEMO_WATCHER_CANARY_FOLDER` to the same folder."""

    def __post_init__(self) -> None:
        """Raises Misconfigured for what can be seen without looking anywhere."""
        super().__post_init__()
        self.replicas(), self.folders(), targets(self.webhooks)
        for name, (least, most) in RANGES.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise Misconfigured(f"MNEMO_HEALTH_{name.upper()}: {value} is not between {least} and {most}")
        if self.webhook_from not in ("degraded", "unhealthy"):
            raise Misconfigured("MNEMO_HEALTH_WEBHOOK_FROM: use degraded or unhealthy")
        if self.canary_seconds and not self.canary_folder:
            raise Misconfigured("MNEMO_HEALTH_CANARY_SECONDS: also set MNEMO_HEALTH_CANARY_FOLDER for its lines")

    @property
    def open(self) -> bool:
        """True when only this machine can ask."""
        return self.bind in ("127.0.0.1", "::1", "localhost")

    def replicas(self) -> dict[Stage, int]:
        """`desired` by stage. Raises Misconfigured."""
        try:
            counts = {Stage(name): int(count) for name, _, count in (entry.partition("=") for entry in self.desired)}
        except ValueError as error:
            raise Misconfigured(f"MNEMO_HEALTH_DESIRED: {error}; use embedder=4") from error
        if Stage.HEALTH in counts or any(count < 0 for count in counts.values()):
            raise Misconfigured("MNEMO_HEALTH_DESIRED: only numbers of watchers, embedders or writers; use embedder=4")
        return counts

    def folders(self) -> dict[str, str]:
        """`disks` by name. Raises Misconfigured."""
        named = dict(entry.partition("=")[::2] for entry in self.disks)
        if unknown := set(named) - {"nats", "postgres"}:
            raise Misconfigured(f"MNEMO_HEALTH_DISKS: unknown {', '.join(sorted(unknown))}; use nats=/folder")
        return named
