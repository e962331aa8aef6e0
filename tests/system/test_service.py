"""In the background, stopped, and what the next start tells of the time between."""

from __future__ import annotations

import os
from pathlib import Path

from mnemostream.local.service import watched
from tests.system.test_field import PORTS, copied, mnemo


def test_it_runs_in_the_background_until_it_is_stopped_and_the_next_start_tells_the_gap(folder: Path) -> None:
    source, data = copied(folder / "live"), folder / "d"
    options = ["--data", str(data)]
    up = ["up", "--detach", "--embedders", "0", *PORTS, *options, "--source", str(source)]
    try:
        started = mnemo(*up)
        assert started.returncode == 0, started.stderr
        assert "running in the background" in started.stderr
        again = mnemo(*up)
        assert (again.returncode, "another `mnemo up` is running" in again.stderr) == (2, True), again.stderr
        assert "/autosave" in mnemo("service", "logs", *options).stdout
    finally:
        stopped = mnemo("down", *options)
    assert (stopped.returncode, stopped.stdout) == (0, "stopped\n"), stopped.stderr
    assert "nothing runs on" in mnemo("down", *options).stderr
    long_ago = (data / watched.FILE).stat().st_mtime - 3 * 86400
    os.utime(data / watched.FILE, (long_ago, long_ago))
    once = mnemo("up", "--once", "--embedders", "0", *PORTS, *options, "--source", str(source))
    assert "nothing was watched for 3.0 days, since 20" in " ".join(once.stderr.split()), once.stderr
    assert "may be lost" not in once.stderr


def test_a_background_start_that_fails_says_why(folder: Path) -> None:
    (folder / "live").mkdir()
    (folder / "d").write_text("a file")
    failed = mnemo("up", "--detach", "--data", str(folder / "d"), "--source", str(folder / "live"))
    assert failed.returncode == 2
    assert "cannot start" in failed.stderr
    assert "Traceback" not in failed.stderr
