"""How many cores there are to use."""

from __future__ import annotations

import os

from mnemostream.runtime.process.cgroups import quotas


def cores() -> int:
    """Cores that this process may use, at least 1: the least of their number, its affinity and its cgroups' quotas."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([allowed, *(int(quota) for quota in quotas())]))
