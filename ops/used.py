"""Imports every module of ours: Python keeps the bytecode of what an image uses, and of nothing else (Dockerfile)."""

from __future__ import annotations

import importlib
import pkgutil
from contextlib import suppress

import mnemostream

for module in pkgutil.walk_packages(mnemostream.__path__, "mnemostream."):
    with suppress(ImportError):  # of the engines, in the image without
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
