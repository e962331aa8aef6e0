"""What a stage tells of itself in its heartbeats: typed, with units. A field that is absent is unknown, never 0.

    WatcherVitals    folders, files and bytes: from disk to the log
    EmbedderVitals   the model, and chunks embedded

A stage without a type here tells nothing beyond the heartbeat itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

MOST_SOURCES = 256
MOST_LINES = 200
"""Entries of `WatcherVitals.sources` and of `lines`; a heartbeat with more of them makes no sense."""


class SourceVitals(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Transcripts of one assistant."""

    files: int | None = None
    """Files that the last sweep saw."""
    discovered_bytes: int | None = None
    """Their size."""
    captured_bytes: int | None = None
    """Bytes of them that were read."""
    present_published_bytes: int | None = None
    """Bytes of them that the log has acknowledged."""
    published_bytes: int | None = None
    """Bytes that the log has acknowledged, of files that are gone too."""


class WatcherVitals(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="stage", tag="watcher"):
    """Of one watcher. Counters count since the start of the process, all others are as of now."""

    host: str | None = None
    """Name of the machine whose disk it reads."""
    edge: bool = False
    """True on another machine than the server's, which comes and goes (docs/edge.md)."""
    mode: str | None = None
    """`notify` or `poll`: how it learns of changes."""
    mode_reason: str = ""
    """Why it polls although it was to be notified."""
    paused: str = ""
    """Why capture pauses: the log takes nothing. Empty while it goes on."""
    unreadable: str = ""
    """A few of the files and folders that cannot be read, and why."""
    files: int | None = None
    """Files that the last sweep saw, without ignored ones."""
    files_behind: int | None = None
    """Of them, those with bytes that were not read yet, without unreadable ones."""
    discovered_bytes: int | None = None
    captured_bytes: int | None = None
    published_bytes: int | None = None
    """Bytes that the log has acknowledged, of files that are gone too."""
    backlog_bytes: int | None = None
    """Bytes on disk that the log has not acknowledged."""
    unreadable_bytes: int | None = None
    """Of them, those of files that cannot be read."""
    unreadable_files: int | None = None
    unlistable_folders: int | None = None
    missing_folders: int | None = None
    """Watched folders that were named or held transcripts and are not there, or held some and are empty."""
    missing_transcripts: int | None = None
    """Transcripts that the log holds from below folders that are not there."""
    missing: str = ""
    """A few of those folders."""
    ignored_files: int | None = None
    """Files that are no transcripts, or excluded."""
    there_files: int | None = None
    """All files and links below the folders, whatever they are."""
    uncaptured: dict[str, int] = {}
    """Of them, those that are not captured, by reason; the most frequent reasons only."""
    uncaptured_names: str = ""
    """A few of them, by reason."""
    left_out_rows: int | None = None
    """Rows of the captured databases in tables that nobody has named (credentials among them), about so many."""
    left_out_tables: dict[str, int] = {}
    """The same by table; the largest only."""
    forgotten_files: int | None = None
    """Files of sessions that a person had forgotten."""
    absent_files: int | None = None
    """Files that were there and are gone."""
    absent_backlog_bytes: int | None = None
    """Bytes of them that were never read."""
    sweeps: int | None = None
    """Finished sweeps over all folders (counter)."""
    sweep_period_seconds: float | None = None
    segments: int | None = None
    """Segments published (counter)."""
    unannounced: int | None = None
    """Changes that the last sweep found and no notification had named."""
    rewritten: int | None = None
    """Files that were rewritten: a new generation each (counter)."""
    damaged_lines: int | None = None
    """Damaged lines, archived as they are (counter)."""
    unknown_lines: int | None = None
    """Lines of types that no parser knows, archived as they are (counter)."""
    lines: dict[str, int] = {}
    """The same by name: `damaged:<how>` and `unknown:<type>`; the most frequent names only (counters)."""
    sources: dict[str, SourceVitals] = {}
    """By assistant."""


class EmbedderVitals(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="stage", tag="embedder"):
    """Of one embedder."""

    model: str | None = None
    """Fingerprint of the model that is loaded."""
    engine: str | None = None
    """What computes its vectors: "openvino bf16"."""
    refused: str | None = None
    """Why a faster engine is not used."""
    chunks: int | None = None
    """Chunks embedded (counter)."""


class WriterVitals(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="stage", tag="writer"):
    """Of one writer."""

    unindexed: int | None = None
    """Exchanges that wait to be indexed. Theirs are the rows that a search reads one by one, the newest only."""
    rereading: int | None = None
    """Messages of the log that are still to be read again, into a database that had no rows."""
    indexing_failed: str | None = None
    """Why the index does not follow, after several attempts."""


Vitals = WatcherVitals | EmbedderVitals | WriterVitals


def numbers(vitals: Vitals) -> Iterator[float]:
    """All numbers that are known."""
    for value in msgspec.structs.astuple(vitals):
        if isinstance(value, int | float):
            yield value
        elif isinstance(value, dict):
            for entry in value.values():
                yield from [entry] if isinstance(entry, int) else (n for n in _values(entry) if n is not None)


def bounded(vitals: Vitals) -> bool:
    """False if a table in it has more entries than any real instance tells."""
    if not isinstance(vitals, WatcherVitals):
        return True
    tables = (vitals.lines, vitals.uncaptured, vitals.left_out_tables)
    return len(vitals.sources) <= MOST_SOURCES and all(len(table) <= MOST_LINES for table in tables)


def total(watchers: Iterable[WatcherVitals], without: str = "") -> WatcherVitals:
    """The sum over watchers; what none of them tells stays unknown. `without` names a source that does not count."""
    all_of = list(watchers)
    sums: dict[str, Any] = {name: _sum(getattr(watcher, name) for watcher in all_of) for name in _SUMMED}
    lines = _merged(watcher.lines for watcher in all_of)
    uncaptured = _merged(watcher.uncaptured for watcher in all_of)
    left_out = _merged(watcher.left_out_tables for watcher in all_of)
    examples = "; ".join(watcher.uncaptured_names for watcher in all_of if watcher.uncaptured_names)
    names = sorted({name for watcher in all_of for name in watcher.sources} - {without})
    sources = {name: _of_source([watcher for watcher in all_of if name in watcher.sources], name) for name in names}
    return WatcherVitals(
        **sums, lines=lines, sources=sources, uncaptured=uncaptured, uncaptured_names=examples, left_out_tables=left_out
    )


def _merged(tables: Iterable[Mapping[str, int]]) -> dict[str, int]:
    merged: dict[str, int] = {}
    for table in tables:
        for name, count in table.items():
            merged[name] = merged.get(name, 0) + count
    return merged


def _of_source(watchers: list[WatcherVitals], source: str) -> SourceVitals:
    entries = [watcher.sources[source] for watcher in watchers]
    sums = {name: _sum(getattr(entry, name) for entry in entries) for name in SourceVitals.__struct_fields__}
    # Each watcher beside the server counts the log of all of them, an edge its own.
    told = [(watcher.edge, watcher.sources[source].published_bytes) for watcher in watchers]
    known = [size for edge, size in told if size is not None and not edge]
    parts = [max(known, default=None), *(size for edge, size in told if edge)]
    return SourceVitals(**{**sums, "published_bytes": _sum(parts)})


def _sum(values: Iterable[Any]) -> Any:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _values(entry: SourceVitals) -> tuple[int | None, ...]:
    return msgspec.structs.astuple(entry)


_SUMMED = [
    name
    for name in WatcherVitals.__struct_fields__
    if name not in ("host", "edge", "mode", "mode_reason", "paused", "unreadable", "missing", "sweep_period_seconds")
    and name not in ("lines", "sources", "uncaptured", "uncaptured_names", "left_out_tables")
]

# --- heartbeats of version 1, which told gauges and notes by name ----------------------------------------------------

_FORMER_NAMES = {"unlistable": "unlistable_folders", "damaged": "damaged_lines", "unknown": "unknown_lines"}


def of_version_1(stage: str, gauges: Mapping[str, float], notes: Mapping[str, str]) -> Vitals | None:
    """The vitals that a heartbeat of version 1 told; None if it told none."""
    if not gauges and not notes:
        return None
    if stage == "embedder":
        chunks = gauges.get("chunks")
        return EmbedderVitals(model=notes.get("model"), chunks=None if chunks is None else int(chunks))
    if stage != "watcher":
        return None
    fields: dict[str, Any] = {name: notes[name] for name in ("host", "mode", *_WORDS) if name in notes}
    lines: dict[str, int] = {}
    sources: dict[str, dict[str, int]] = {}
    for name, value in gauges.items():
        gauge, _, source = name.partition(".")
        known = _FORMER_NAMES.get(name, name)
        if source and gauge in SourceVitals.__struct_fields__:
            sources.setdefault(source, {})[gauge] = int(value)
        elif ":" in name:
            lines[name] = int(value)
        elif known in WatcherVitals.__struct_fields__ and known not in ("lines", "sources"):
            fields[known] = value if known == "sweep_period_seconds" else int(value)
    return WatcherVitals(**fields, lines=lines, sources={name: SourceVitals(**of) for name, of in sources.items()})


_WORDS = ("mode_reason", "paused", "unreadable")
