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
        ("mnemostream.runtime.delivery.settle", "Settler", "_persist"),
        ("mnemostream.runtime.bus", "Bus", "publish_all"),
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

# --- for tests/drill.py: what lies in the folder MNEMO_TEST_FOLDER decides ------------------------------------------
#
# kill-at   `<stage> <function> before|after`: the next time that process comes to that point, it is killed there
# clock     seconds by which the clock of all services is wrong

FUNCTIONS = {
    "store_transcripts": ("mnemostream.services.writer.database", "Database"),
    "store_vectors": ("mnemostream.services.writer.database", "Database"),
    "work": ("mnemostream.services.embedder.embed", "Embedder"),
    "publish_all": ("mnemostream.runtime.bus", "Bus"),
    "_publish": ("mnemostream.services.watcher.outbox", "Outbox"),
    "hold": ("mnemostream.runtime.delivery.custody", "Custody"),
    "begins": ("mnemostream.runtime.delivery.custody", "Custody"),
    "absolve": ("mnemostream.runtime.delivery.custody", "Custody"),
    "ack": ("nats.aio.msg", "Msg"),
}


def _instrument(folder: str, stage: str) -> None:
    import importlib
    import time

    from mnemostream.runtime.clock import SystemClock

    def now(self: object) -> float:
        try:
            with open(os.path.join(folder, "clock")) as file:
                return time.time() + float(file.read())
        except (OSError, ValueError):
            return time.time()

    SystemClock.now = now  # type: ignore[method-assign]
    file = os.path.join(folder, "kill-at")

    def reached(point: str) -> None:
        if not os.path.exists(file):
            return
        with open(file) as armed:
            wanted = armed.read() == f"{stage} {point}"
        if wanted:
            os.unlink(file)
            os.kill(os.getpid(), signal.SIGKILL)

    for name, (module, kind) in FUNCTIONS.items():
        if module.startswith("mnemostream.services.") and f"mnemostream.services.{stage}." not in module:
            continue
        owner = getattr(importlib.import_module(module), kind)

        def wrapped(real: Any, name: str) -> Any:
            async def call(*args: Any, **more: Any) -> Any:
                reached(f"{name} before")
                done = await real(*args, **more)
                reached(f"{name} after")
                return done

            return call

        setattr(owner, name, wrapped(getattr(owner, name), name))


if os.environ.get("MNEMO_TEST_FOLDER"):
    for argument in sys.orig_argv:
        if argument.startswith("services.") and argument.endswith(".main"):
            _instrument(os.environ["MNEMO_TEST_FOLDER"], argument.split(".")[1])
