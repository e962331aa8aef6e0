"""The watchdog of a process: what it ends, and what it does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

FROZEN = """
import asyncio, sys, time
from mnemostream.runtime.process import lifecycle
from mnemostream.runtime.settings import Common
async def main(settings, stop):
    print("runs", flush=True)
    await asyncio.sleep(0.3)
    if sys.argv[1] == "blocked":
        time.sleep(60)
    await stop.wait()
lifecycle.run(main, Common, None)
"""


@pytest.mark.parametrize("how", ["blocked", "stopped"])
def test_a_blocked_loop_ends_a_process_and_a_pause_of_it_does_not(how: str) -> None:
    env = {**os.environ, "MNEMO_WATCHDOG_BLOCKED_SECONDS": "1.5"}
    argv = [sys.executable, "-P", "-c", FROZEN, how]
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "runs\n"
        if how == "stopped":
            time.sleep(0.5)  # noqa: TID251 - it has begun to beat
            child.send_signal(signal.SIGSTOP)
            time.sleep(3.0)  # noqa: TID251 - twice the limit
            child.send_signal(signal.SIGCONT)
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(1.0)
            child.terminate()
        _, said = child.communicate(timeout=30)
    assert child.returncode == (1 if how == "blocked" else 0), said
    assert ("the event loop was blocked for 1.5 s" in said) == (how == "blocked")
    assert ("time.sleep(60)" in said or "<string>" in said) == (how == "blocked")
