"""How much processor time this process may use, by its cgroups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

UNIFIED, QUOTA, PERIOD = "cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us"
"""Files of cgroup v2 and v1; https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files"""


def quotas(groups: Path = Path("/proc/self/cgroup"), mounts: Path = Path("/sys/fs/cgroup")) -> Iterator[float]:
    """Processors' worth of time that each cgroup of this process may use, where it is bounded."""
    try:
        lines = groups.read_text().splitlines()
    except OSError:
        return
    for line in lines:  # ID:CONTROLLERS:PATH
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        for mount in (mounts, mounts / controllers, mounts / "cpu"):
            folder = mount / path.lstrip("/")
            for place in (folder, *folder.parents):
                if (bound := _quota(place)) is not None:
                    yield max(1.0, bound)
                if place == mount:
                    break


def _quota(folder: Path) -> float | None:
    try:
        if (folder / UNIFIED).exists():
            quota, period = (folder / UNIFIED).read_text().split()
        else:
            quota, period = (folder / QUOTA).read_text(), (folder / PERIOD).read_text()
        return float(quota) / float(period) if float(quota) > 0 else None
    except (OSError, ValueError):  # "max", and folders that are no cgroups
        return None
