"""Faults inside a service process, for bench/detection.py: on PYTHONPATH of the services of a drill, nowhere else.

SIGUSR1   the event loop is blocked for ever, as by a C call
SIGUSR2   work in hand never ends; the event loop and the heartbeats go on
SIGURG    the disk hangs: listing and reading in threads never end; the event loop and the heartbeats go on
a file    named by MNEMO_TEST_CRASH: while it holds this process's instance, it dies three seconds after its start
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from typing import Any


def _block(*_: object) -> None:
    threading.Event().wait()


def _deadlock(*_: object) -> None:
    async def never(*_: object) -> bool:
        await asyncio.Event().wait()
        return False

    for module, kind, name in (
        ("runtime.consume", "_Settler", "_persist"),
        ("runtime.bus", "Bus", "publish_all"),
    ):
        if module in sys.modules:
            setattr(getattr(sys.modules[module], kind), name, never)


def _hang(*_: object) -> None:
    def hung(real: Any) -> Any:
        def call(*args: Any, **more: Any) -> Any:
            if threading.current_thread() is not threading.main_thread():
                threading.Event().wait()
            return real(*args, **more)

        return call

    for name in ("scandir", "stat", "open"):
        setattr(os, name, hung(getattr(os, name)))


def _doomed() -> bool:
    try:
        with open(os.environ["MNEMO_TEST_CRASH"]) as file:
            return os.environ.get("MNEMO_INSTANCE", "") in file.read().split()
    except (KeyError, OSError):
        return False


if os.environ.get("MNEMO_TEST_CRASH"):
    signal.signal(signal.SIGUSR1, _block)
    signal.signal(signal.SIGUSR2, _deadlock)
    signal.signal(signal.SIGURG, _hang)
    if _doomed():
        timer = threading.Timer(3.0, os._exit, (1,))
        timer.daemon = True
        timer.start()
