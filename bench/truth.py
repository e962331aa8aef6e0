"""Reads samples of many assistants, and compares what is read off them with a second, independent reading.

    python bench/truth.py SAMPLES TRUTH.jsonl [--verbose]

A row of the second reading has a file, perhaps a session of it, its prompts and their hashes, the characters of the
assistant's visible text, and its calls of tools. Prints a line for each row that differs, and a table by assistant.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mnemostream.contracts import sources
from mnemostream.contracts.transcripts import OPENERS, Kind, Record
from mnemostream.runtime.disk import packed
from mnemostream.services.watcher.files.identify import HEAD
from mnemostream.services.watcher.formats import Identity, identify
from mnemostream.services.watcher.parsing.units import FileOrigin, parse, units_of, unpacked_units

PROMPTS = OPENERS | {Kind.STEER, Kind.COMMENT, Kind.QUEUED, Kind.REPLY}
ANSWERS = {Kind.ANSWER, Kind.SUBAGENT_ANSWER}
CALLS = {Kind.TOOL_CALL, Kind.SUBAGENT_CALL}


class Read(NamedTuple):
    """What was read off a file, or off one session of a database."""

    session: str
    assistant: str
    records: list[Record]
    counts: Counter[str]
    subagent: bool = False


def records_of(
    path: str, data: bytes, source: str = sources.AUTO
) -> tuple[Identity | None, list[Record], Counter[str]]:
    """What is read off the bytes of one file; the last revision of each record."""
    is_packed = packed.is_packed(path)
    head = packed.head(path, data[:HEAD], HEAD)
    identity = identify(path, head, source, complete=len(data) <= HEAD)
    if identity is None:
        return None, [], Counter()
    context = identity.format.context(path.removesuffix(sources.PACKED), identity.first)
    origin = FileOrigin("t", "h", "/r", path, identity.format, context, identity.whole, is_packed)
    state = identity.format.state()
    records: list[Record] = []
    counts: Counter[str] = Counter()
    for unit in (unpacked_units if is_packed else units_of)(iter([data]), whole=identity.whole):
        found, named = parse([unit], origin, state)
        records += found
        counts += named
    last: dict[tuple[str, int, int], Record] = {}
    highest: dict[str, int] = defaultdict(int)
    for record in records:
        highest[record.id] = max(highest[record.id], record.revision)
    for record in records:
        if record.revision == highest[record.id]:
            last[(record.id, record.block, record.part)] = record
    return identity, list(last.values()), counts


def told(records: list[Record], rule: str, *, subagent: bool) -> dict[str, Any]:
    """The measures of the second reading."""
    prompts = [r.text for r in records if r.kind in PROMPTS | ({Kind.SUBAGENT_PROMPT} if subagent else set())]
    answers = [r.text for r in records if r.kind in ANSWERS]
    return {
        "prompts": len(prompts),
        "prompt_shas": [hashlib.sha256(text.strip().encode()).hexdigest()[:16] for text in prompts],
        "assistant_chars": sum(len(text.replace("\n", "") if "without newlines" in rule else text) for text in answers),
        "tool_calls": sum(1 for r in records if r.kind in CALLS),
    }


def sessions_of(file: Path, samples: Path) -> Iterator[Read]:
    """Session, assistant, records and counts: of a file, or of each session of a database."""
    if file.read_bytes()[:15] == b"SQLite format 3":
        from mnemostream.services.watcher.rows.once import row_logs

        with tempfile.TemporaryDirectory() as folder:
            for source, session, data in row_logs(file, Path(folder)):
                _, records, counts = records_of(f"{session}.jsonl", data, source)
                yield Read(session, source, records, counts)
        return
    identity, records, counts = records_of(str(file.relative_to(samples)), file.read_bytes())
    subagent = bool(identity and identity.format.context(str(file.relative_to(samples)), identity.first).subagent)
    yield Read("", identity.format.name if identity else "none", records, counts, subagent)


def main() -> None:
    """Prints the differences, and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("samples", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    rows = [json.loads(line) for line in arguments.truth.read_text().splitlines()]
    equal: Counter[str] = Counter()
    total: Counter[str] = Counter()
    files: dict[str, list[Read]] = {}
    for row in rows:
        name = row["file"]
        total[row["format"]] += 1
        if name not in files:
            files[name] = list(sessions_of(arguments.samples / name, arguments.samples))
        found = [one for one in files[name] if one.session == row["session"]] or files[name][:1]
        measured = told(found[0].records, row["rule"], subagent=found[0].subagent) if found else {}
        different = [
            key
            for key in ("prompts", "prompt_shas", "assistant_chars", "tool_calls")
            if row[key] is not None and measured.get(key) != row[key]
        ]
        if not different:
            equal[row["format"]] += 1
            continue
        print(f"{row['format']:12} {name} {row['session']}")
        print(f"             read as {found[0].assistant if found else 'nothing'}")
        for key in different:
            if key != "prompt_shas" or "prompts" not in different:
                print(f"             {key}: {measured.get(key)} here, {row[key]} there")
        if arguments.verbose and found:
            for record in found[0].records[:12]:
                print("               ", record.kind.value, repr(record.text[:90]), record.tool)
            print("               ", dict(found[0].counts))
    for name in sorted(total):
        print(f"{name:14}{equal[name]:4} of {total[name]:4}")
    print(f"{'all':14}{equal.total():4} of {total.total():4}   {100 * equal.total() / total.total():.1f} %")


if __name__ == "__main__":
    main()
