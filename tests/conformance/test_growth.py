"""Live files: whatever the pieces in which a transcript grows, the end is that of one import, and what was
finished never changes again. The bundled examples; with MNEMO_TEST_CORPUS also `growth/` and all of `claude/`."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import pytest

from mnemostream.contracts.events import Stage
from mnemostream.contracts.sources import Root
from mnemostream.contracts.transcripts import Record
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.heartbeat import Beat
from mnemostream.services.watcher.capture import Capture
from mnemostream.services.watcher.catalog import Positions
from mnemostream.services.watcher.settings import Settings
from tests.conformance.model import Case
from tests.conftest import EXAMPLES
from tests.doubles import MemoryLog

CORPUS = os.environ.get("MNEMO_TEST_CORPUS", "")
Key = tuple[str, int, int]


def stories() -> list[Any]:
    """Successive states of files: snapshots of real ones, else one state."""
    found = [pytest.param([file], id=file.stem[:20]) for file in sorted(EXAMPLES.rglob("*.jsonl"))]
    if CORPUS:
        for folder in sorted(Path(CORPUS, "growth").glob("*/*")):
            found.append(pytest.param(sorted(folder.glob("*.jsonl")), id=f"growth-{folder.name[:8]}"))
    return found


def table(records: list[Record]) -> dict[Key, Record]:
    """The rows that the database holds: of equal keys the first in the file."""
    rows: dict[Key, Record] = {}
    for record in records:
        key = (record.id, record.block, record.part)
        if key not in rows or record.offset < rows[key].offset:
            rows[key] = record
    return rows


def exchanges(rows: dict[Key, Record]) -> dict[str, list[tuple[Key, str]]]:
    """Words by exchange, in the order of the file."""
    found: dict[str, list[tuple[Key, str]]] = {}
    for key, record in sorted(rows.items(), key=lambda row: (row[1].offset, row[0])):
        found.setdefault(record.exchange_id, []).append((key, record.text))
    return found


@pytest.mark.parametrize("states", stories())
async def test_a_growing_file_ends_as_one_import_and_finished_exchanges_never_change(
    states: list[Path], tmp_path: Path
) -> None:
    seed = random.SystemRandom().randrange(1 << 30)
    rng = random.Random(seed)
    file = tmp_path / "s.jsonl"
    file.touch()
    log = MemoryLog()
    settings = Settings(host="h", segment_bytes=rng.choice([700, 20_000, 512 * 1024]), settle_seconds=0.0)
    beat = Beat(Stage.WATCHER, "w", 5.0, SystemClock())
    capture = Capture(log, settings, [Root(str(tmp_path), "claude-code")], Positions(), beat)
    finished: dict[str, list[tuple[Key, str]]] = {}
    done = 0
    for state in states:
        data = state.read_bytes()
        steps = min(12, 1 + (len(data) - done) // 400)
        cuts = sorted(rng.randrange(done, len(data) + 1) for _ in range(steps))
        for cut in [*cuts, len(data)]:
            with file.open("ab") as handle:
                handle.write(data[done:cut])
            done = cut
            await capture.sweep(asyncio.Event())
            now = exchanges(table([record for event in log.events() for record in event.records]))
            opened = [name for name in now if name]
            for name, words in finished.items():
                assert now[name] == words, f"seed {seed}: exchange {name} changed"
            finished = {name: now[name] for name in opened[:-1]}
    for known in capture.registry:
        known.release()
    grown = table([record for event in log.events() for record in event.records])
    once = table(Case.reading("s.jsonl", file.read_bytes()))
    assert {key: (r.text, r.kind, r.exchange_id, r.offset) for key, r in grown.items()} == {
        key: (r.text, r.kind, r.exchange_id, r.offset) for key, r in once.items()
    }, f"seed {seed}"
    assert once
