"""What a beat tells of loops that look for work; names that outlive a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from mnemostream.contracts.events import Phase, Stage
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.heartbeat import Beat
from mnemostream.runtime.process.instance import claimed

HOLD = """
import sys
from pathlib import Path
from mnemostream.contracts.events import Stage
from mnemostream.runtime.process.instance import claimed
with claimed(Stage.WRITER, Path(sys.argv[1])) as name:
    print(name, flush=True)
    sys.stdin.read()
"""


class Clock(SystemClock):
    """Stands still until the test moves it."""

    at = 1000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


def test_the_loop_that_is_longest_without_contact_counts() -> None:
    clock = Clock()
    beat = Beat(Stage.WRITER, "w", 5.0, clock)
    assert (beat.last_poll, beat.unpolled_seconds()) == (0.0, 0.0)  # nobody looks for work yet
    beat.polled("a")
    beat.polled("b")
    clock.at += 40
    beat.polled("b")
    assert (beat.last_poll, beat.unpolled_seconds()) == (1000.0, 40.0)
    beat.set_in_flight(3, "a")  # who has work in hand need not look for more
    assert (beat.last_poll, beat.unpolled_seconds()) == (1040.0, 0.0)
    clock.at += 500
    beat.polled("b")
    beat.set_in_flight(0, "a")  # until now it had contact
    assert (beat.last_poll, beat.unpolled_seconds()) == (1540.0, 0.0)
    clock.at += 7
    beat.polled("b")
    assert (beat.last_poll, beat.unpolled_seconds()) == (1540.0, 7.0)
    beat.phase = Phase.RUNNING
    assert (beat.event().last_poll, beat.event().polls) == (1540.0, 2)


def holder(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """A process that holds a name."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    return process, process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_process_that_is_killed_leaves_its_name_to_the_next(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o700)
    (tmp_path / "b").mkdir(mode=0o700)
    elsewhere, strange = holder(tmp_path / "b")
    tmp_path /= "a"
    first, name = holder(tmp_path)
    second, other = holder(tmp_path)
    try:
        assert name.endswith("-0")
        assert other == name[:-1] + "1"
        assert strange not in (name, other)  # another user, or another namespace, with the same host name
        end(first)
        first, again = holder(tmp_path)
        assert again == name
        with claimed(Stage.EMBEDDER, tmp_path) as mine:  # of another stage
            assert mine == name
    finally:
        for process in (first, second, elsewhere):
            end(process)


def test_without_a_folder_of_our_own_the_process_id_has_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    for name in ("file", "link", "no/such"):
        with claimed(Stage.WRITER, tmp_path / name) as made:
            assert made.endswith(f"-{os.getpid()}")
