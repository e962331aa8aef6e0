"""Row logs of databases with a real owner: another process that holds, changes and leaves them.

# long file: each trap of SQLite is a test, and they share an owner.

The traps that were found when this was measured are a test each: what SQLite would leave behind, what it would hide,
what moves no stamp.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mnemostream.archive.rows import Replayed
from mnemostream.runtime.rows.opening import Busy, reading
from mnemostream.services.watcher.rows import source as rows_module
from mnemostream.services.watcher.rows.source import RowSource
from tests.sources.databases import DATABASES
from tests.sources.samples import build

OWNER = textwrap.dedent("""
    import sqlite3, sys, json
    connection = sqlite3.connect(sys.argv[1], isolation_level=None)
    print("open", flush=True)
    for line in sys.stdin:
        if line.strip() == "close":
            connection.close()
        else:
            for sql, values in json.loads(line):
                connection.execute(sql, values)
        print("done", flush=True)
""")
PART = "insert into part values (?, ?, 'ses_1', ?, ?, ?)"


class Owner:
    """The assistant: a process that has the database open."""

    def __init__(self, file: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._answer()

    def _answer(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline()

    def say(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        self._answer()

    def run(self, *statements: tuple[str, tuple[Any, ...]]) -> None:
        self.say(json.dumps(statements))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def leave(self) -> None:
        self.say("close")
        self.kill()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "owner" / "opencode.db"
    build(path, DATABASES["opencode"]())
    return path


@pytest.fixture
def owner(file: Path) -> Iterator[Owner]:
    process = Owner(file)
    yield process
    process.kill()


@pytest.fixture
def source(file: Path, tmp_path: Path) -> Iterator[RowSource]:
    one = RowSource(str(file), "opencode", tmp_path / "rows")
    yield one
    one.close()


def look(source: RowSource, **more: Any) -> int:
    """Looks; the number of lines that were written."""
    found = source.look(1000.0, **more)
    assert not found.problem
    return found.rows


def part(number: int, text: str) -> tuple[str, tuple[Any, ...]]:
    return PART, (f"prt_9{number:05}", "msg_1v", number, number, json.dumps({"type": "text", "text": text}))


def equal(source: RowSource, tmp_path: Path) -> bool:
    """True if the row logs, replayed, are the captured tables of the database, row for row."""
    replayed = Replayed()
    for session in source.digests.sizes():
        replayed.take(source.spool.path(session).read_bytes())
    with reading(source.path, tmp_path / "scratch") as connection:
        return not replayed.differences(connection)


def beside(file: Path) -> list[str]:
    return sorted(one.name for one in file.parent.iterdir())


def test_a_database_at_rest_gets_no_file_beside_it(file: Path, source: RowSource, tmp_path: Path) -> None:
    assert look(source)
    assert beside(file) == ["opencode.db"]
    assert equal(source, tmp_path)
    assert look(source, deep=True) == 0


def test_rows_that_stand_in_the_wal_alone_are_seen(file: Path, owner: Owner, source: RowSource, tmp_path: Path) -> None:
    owner.run(part(1, "only in the log"))
    size = file.stat().st_size
    look(source)
    assert file.stat().st_size == size
    assert b"only in the log" in source.spool.path("ses_1").read_bytes()
    assert equal(source, tmp_path)


def test_a_wal_that_a_killed_owner_left_is_read_without_an_index_of_ours(
    file: Path, owner: Owner, source: RowSource, tmp_path: Path
) -> None:
    owner.run(part(1, "committed"))
    owner.run(("begin immediate", ()), part(2, "never committed"))
    owner.kill()
    Path(f"{file}-shm").unlink()
    before = beside(file)
    look(source)
    told = source.spool.path("ses_1").read_bytes()
    assert b"committed" in told
    assert b"never committed" not in told
    assert beside(file) == before == ["opencode.db", "opencode.db-wal"]
    assert equal(source, tmp_path)


def test_an_owner_that_comes_and_goes_between_two_looks_is_noticed(
    file: Path, source: RowSource, tmp_path: Path
) -> None:
    look(source)
    size = file.stat().st_size
    visitor = Owner(file)
    visitor.run(("update part set data = ? where id = 'prt_0u'", (json.dumps({"type": "text", "text": "edited"}),)))
    visitor.leave()
    assert file.stat().st_size == size
    assert look(source) == 1
    assert equal(source, tmp_path)


def test_the_last_reader_leaves_no_wal_behind(file: Path, owner: Owner, source: RowSource) -> None:
    owner.run(part(1, "x"))
    look(source)
    owner.leave()
    assert beside(file) == ["opencode.db"]


def test_an_edit_in_place_without_a_stamp_is_seen(
    file: Path, owner: Owner, source: RowSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(source)
    owner.run(("update part set data = '[]' where id = 'prt_0v'", ()))
    assert look(source) == 1  # a small database is compared as a whole
    monkeypatch.setattr(rows_module, "SMALL_BYTES", 0)
    owner.run(("update part set data = '{}' where id = 'prt_0v'", ()))
    assert look(source) == 1  # its session has changed a moment ago
    late = source.look(5_000.0)
    owner.run(("update part set data = '{\"a\":1}' where id = 'prt_0v'", ()))
    late = source.look(5_000.0)
    assert not late.rows  # cold, and nothing moved
    assert not source.is_due(5_001.0)
    assert source.is_due(5_100.0)  # a minute after the last change
    assert look(source, deep=True) == 1
    assert equal(source, tmp_path)


def test_rows_and_sessions_that_are_deleted_are_gone_lines(
    file: Path, owner: Owner, source: RowSource, tmp_path: Path
) -> None:
    look(source)
    owner.run(("delete from part where id = 'prt_0w'", ()))
    assert look(source) == 1
    assert b'"gone":true' in source.spool.path("ses_1").read_bytes()
    owner.run(("delete from part", ()), ("delete from message", ()), ("delete from session", ()))
    assert look(source, deep=True) == 9
    assert equal(source, tmp_path)


def test_vacuum_checkpoint_and_rollback_write_nothing(file: Path, owner: Owner, source: RowSource) -> None:
    look(source)
    owner.run(("vacuum", ()), ("pragma wal_checkpoint(truncate)", ()))
    owner.run(("begin", ()), part(7, "taken back"), ("rollback", ()))
    assert look(source) == 0


def test_a_migration_is_lines_of_the_same_generation(
    file: Path, owner: Owner, source: RowSource, tmp_path: Path
) -> None:
    look(source)
    size = source.spool.size("ses_1")
    owner.run(("alter table part add column note text", ()))
    look(source)
    assert source.spool.size("ses_1") > size
    assert equal(source, tmp_path)
    owner.run(("drop table part", ()))
    look(source)
    assert equal(source, tmp_path)


def test_an_older_copy_put_in_place_is_the_difference(file: Path, source: RowSource, tmp_path: Path) -> None:
    older = file.read_bytes()
    visitor = Owner(file)
    visitor.run(part(1, "newer"))
    visitor.leave()
    look(source)
    file.with_suffix(".new").write_bytes(older)
    file.with_suffix(".new").replace(file)
    assert look(source, deep=True) == 1
    assert equal(source, tmp_path)


def test_an_owner_that_locks_everybody_out_is_a_backlog(file: Path, source: RowSource, tmp_path: Path) -> None:
    visitor = Owner(file)
    visitor.run(("pragma locking_mode = exclusive", ()), part(1, "while it was locked"))
    found = source.look(1000.0)
    assert found.problem
    visitor.leave()
    assert look(source)
    assert equal(source, tmp_path)


def test_an_owner_in_a_rollback_transaction_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "owner" / "threads.db"
    build(file, DATABASES["zed"]())
    visitor = Owner(file)
    visitor.run(("begin immediate", ()), ("update threads set summary = 'half'", ()), ("pragma cache_spill = 1", ()))
    source = RowSource(str(file), "zed", tmp_path / "rows")
    found = source.look(1.0)
    told = b"" if found.problem else source.spool.path(next(iter(source.digests.sizes()))).read_bytes()
    assert b"half" not in told
    visitor.run(("commit", ()))
    visitor.leave()
    assert not source.look(2.0).problem
    assert equal(source, tmp_path)
    source.close()


def test_values_survive_exactly(file: Path, owner: Owner, source: RowSource, tmp_path: Path) -> None:
    """What JSON would round, cut or refuse."""
    owner.run(
        ("insert into part values ('odd', 'm', 'ses_1', 9223372036854775807, -0.0, cast(x'ff00fe' as text))", ()),
        ("insert into part values ('nul', 'm', 'ses_1', 1, 1.0, cast(x'610062' as text))", ()),
        ("insert into part values ('bin', 'm', 'ses_1', null, 1e300, x'00ff')", ()),
    )
    look(source)
    replayed = Replayed()
    replayed.take(source.spool.path("ses_1").read_bytes())
    target = tmp_path / "restored.db"
    replayed.write(target)
    kinds = "typeof(time_created), time_created, typeof(time_updated), hex(time_updated), typeof(data), hex(data)"
    query = f"select id, {kinds} from part"
    with reading(str(file), tmp_path / "s") as connection:
        wanted = sorted(connection.execute(query))
    with sqlite3.connect(target) as restored:
        assert sorted(restored.execute(query)) == wanted
        assert restored.execute("pragma integrity_check").fetchone() == ("ok",)


def test_digests_that_are_lost_cost_a_generation_and_no_row(file: Path, source: RowSource, tmp_path: Path) -> None:
    look(source)
    source.close()
    for name in tmp_path.glob("rows.state/digests.sqlite*"):
        name.unlink()
    again = RowSource(str(file), "opencode", tmp_path / "rows")
    assert again.look(2000.0).rows
    assert equal(again, tmp_path)
    again.close()


def test_what_was_appended_and_not_noted_is_taken_back(file: Path, source: RowSource, tmp_path: Path) -> None:
    look(source)
    source.close()
    log = source.spool.path("ses_1")
    whole = log.read_bytes()
    log.write_bytes(whole + b'{"t":"part","k":["half')
    again = RowSource(str(file), "opencode", tmp_path / "rows")
    again.repair()
    assert log.read_bytes() == whole
    again.close()


def test_a_story_of_changes_and_kills_ends_equal(file: Path, tmp_path: Path) -> None:
    """Fifty times something happens, the owner is killed now and then, the watcher's side begins anew now and then."""
    seed = int(os.environ.get("MNEMO_TEST_SEED", random.randrange(1 << 30)))
    chance = random.Random(seed)
    place = tmp_path / "rows"
    source, owner = RowSource(str(file), "opencode", place), Owner(file)
    for step in range(50):
        event = chance.random()
        if event < 0.5:
            owner.run(part(step, f"text {step}"))
        elif event < 0.7:
            owner.run(
                ("update part set data = ? where rowid = ?", (json.dumps({"text": step}), chance.randrange(1, 9)))
            )
        elif event < 0.8:
            owner.run(("delete from part where rowid = ?", (chance.randrange(1, 60),)))
        elif event < 0.9:
            owner.run(("begin immediate", ()), part(1000 + step, "lost"))
            os.kill(owner.process.pid, signal.SIGKILL)
            owner.kill()
            owner = Owner(file)
        else:
            source.close()
            source = RowSource(str(file), "opencode", place)
        source.look(1000.0 + step)
    owner.leave()
    source.look(9999.0, deep=True)
    assert equal(source, tmp_path), f"MNEMO_TEST_SEED={seed}"
    states = source.spool.path("ses_1").read_bytes().splitlines()
    assert len(states) == len(set(states)), f"a state was written twice: MNEMO_TEST_SEED={seed}"
    source.close()


def test_no_database_is_no_error_of_the_line(tmp_path: Path) -> None:
    with pytest.raises(Busy), reading(str(tmp_path / "none.db"), tmp_path):
        pass


def test_what_a_change_meanwhile_may_have_torn_is_not_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At rest nothing locks an owner out that comes while it is read: then nothing of that reading counts."""
    file = tmp_path / "owner" / "threads.db"
    build(file, DATABASES["zed"]())
    source = RowSource(str(file), "zed", tmp_path / "rows")
    real = rows_module.rows_of

    def disturbed(*arguments: Any) -> Any:
        rows = real(*arguments)
        os.utime(file, ns=(1, 1))
        return rows

    monkeypatch.setattr(rows_module, "rows_of", disturbed)
    assert source.look(1.0).problem
    assert not list((tmp_path / "rows").glob("*.jsonl"))
    monkeypatch.undo()
    assert source.look(2.0).rows
    assert equal(source, tmp_path)
    source.close()


def test_a_look_after_the_first_one_reads_only_what_has_changed(
    file: Path, owner: Owner, source: RowSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything has just been written down, and nothing of it is hot: else each commit would read all sessions."""
    owner.run(("insert into session values ('ses_2', null, '/x', 'other', '1', 1, 1)", ()))
    look(source)
    read: list[str] = []
    real = rows_module.rows_of
    monkeypatch.setattr(rows_module, "SMALL_BYTES", 0)
    monkeypatch.setattr(rows_module, "rows_of", lambda *one: (read.append(one[2]), real(*one))[1])
    owner.run(part(1, "new"))
    assert look(source) == 1
    assert set(read) <= {"ses_1", ""}
