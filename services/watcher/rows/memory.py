"""Memory of large pieces, given back: a first capture reads gigabytes, and then the process rests for days."""

from __future__ import annotations

import ctypes

M_MMAP_THRESHOLD = -3
"""Of malloc.h."""
LARGE_BYTES = 128 << 10
"""What glibc begins with; left to itself it raises that to 32 MB, by what was freed, and keeps the holes."""


def give_back() -> bool:
    """From now on the memory of a large piece goes back to the system when it is freed; False where there is no glibc,
    and nothing to be told."""
    try:
        return bool(ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BYTES))
    except (AttributeError, OSError, TypeError):
        return False
