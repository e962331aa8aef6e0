"""What makes names of files outlast a loss of power."""

from __future__ import annotations

import os
from pathlib import Path


def durable(folder: Path) -> None:
    """What was renamed in a folder stays so if the power fails."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
