"""Large databases: neither a session nor a table is gone through as a whole where a part does."""

from __future__ import annotations

import platform
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mnemostream.contracts import sources
from mnemostream.runtime.rows import sessions
from mnemostream.runtime.rows.sessions import Marks, changed_since
from mnemostream.runtime.rows.tables import plan
from mnemostream.services.watcher.rows import lines
from mnemostream.services.watcher.rows.source import RowSource
from mnemostream.services.watcher.rows.spool import Spool
from tests.sources.databases import DATABASES
from tests.sources.samples import build

PART = "insert into part values (?, 'msg_1v', 'ses_1', 1, 1, ?)"


def logs(file: Path, place: Path, kind: str) -> dict[str, bytes]:
    with closing(RowSource(str(file), kind, place)) as source:
        assert not source.look(1.0).problem
    return {log.name: log.read_bytes() for log in place.glob("*.jsonl")}


@pytest.mark.parametrize("kind", DATABASES)
def test_row_logs_are_the_same_whether_sessions_are_held_or_not(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "owner" / "x.db"
    build(file, DATABASES[kind]())
    held = logs(file, tmp_path / "held", sources.CANONICAL[kind])
    monkeypatch.setattr(sessions, "MOST_HELD", 0)
    monkeypatch.setattr(lines, "MOST_HELD", 1)
    assert logs(file, tmp_path / "read", sources.CANONICAL[kind]) == held
    assert any(held.values())


@pytest.fixture
def large(tmp_path: Path) -> Iterator[tuple[Path, sqlite3.Connection]]:
    """One session of 40 MB, whose owner is there."""
    file = tmp_path / "owner" / "opencode.db"
    build(file, DATABASES["opencode"]())
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("begin")
        for number in range(4000):
            connection.execute(
                PART, (f"prt_9{number:05}", f'{{"type":"text","text":"{number % 10}' + 10_000 * "x" + '"}')
            )
        connection.execute("commit")
        yield file, connection


def test_a_session_is_not_held_in_memory(large: tuple[Path, sqlite3.Connection], tmp_path: Path) -> None:
    file, connection = large
    with closing(RowSource(str(file), "opencode", tmp_path / "rows")) as source:
        tracemalloc.start()
        try:
            assert source.look(1.0).rows > 4000
            connection.execute("update part set data = data || ' '")
            assert source.look(2.0).rows >= 4000
            assert source.look(3.0, deep=True).rows == 0
            assert tracemalloc.get_traced_memory()[1] < 20e6
        finally:
            tracemalloc.stop()


def test_what_came_is_found_without_a_look_at_the_rest(large: tuple[Path, sqlite3.Connection]) -> None:
    _, connection = large
    layout, marks = plan(connection, sources.DATABASES["opencode"]), Marks()
    changed_since(connection, layout, marks)
    connection.execute(PART, ("prt_new", "{}"))
    steps: list[Any] = []
    connection.set_progress_handler(lambda: steps.append(1), 100)
    assert "ses_1" in changed_since(connection, layout, marks)
    assert len(steps) < 20


def test_nothing_stays_of_lines_that_do_not_fit_on_the_disk(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append("s", [b"whole\n"], durable=False)

    def full() -> Iterator[bytes]:
        yield 100_000 * b"torn"
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        spool.append("s", full(), durable=False)
    assert spool.path("s").read_bytes() == b"whole\n"


GROWS = """
import resource
from mnemostream.services.watcher.rows.memory import give_back

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

assert give_back()
before = resident()
del (large := [bytearray(2_000_000)])[:]  # glibc would keep holes up to that size from here on
pieces = [bytes(b"x" * 300_000) for _ in range(200)]
kept = pieces[::20]
del pieces
print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="glibc alone is told")
def test_large_pieces_are_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", GROWS], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 10 * 300_000 + 4e6
