"""`mnemo verify`: every file read again and compared with the database and the log, byte for byte."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from mnemostream.archive import queries
from mnemostream.archive.copies import Archive, Transcript
from mnemostream.archive.proof.compare import Gap
from mnemostream.archive.proof.files import File, Progress, compare_files
from mnemostream.archive.proof.kept import compare_kept, only_logged
from mnemostream.archive.rows.proof import by_database, compare_all, there
from mnemostream.contracts import codec, sources
from mnemostream.contracts.projects import admitted
from mnemostream.contracts.sources import Root
from mnemostream.runtime.disk import packed, projects
from mnemostream.runtime.disk.files import walk
from mnemostream.runtime.disk.left import Left
from mnemostream.runtime.process.home import home
from mnemostream.runtime.rows.names import AS_ROWS, leaves
from mnemostream.runtime.secrets.pieces import refusal
from mnemostream.runtime.secrets.scan import Scanner

HEAD = 64 * 1024
MOST_ATTACHED = 64 << 20
"""Bytes up to which the watcher captures a file beside a session, unless it is set otherwise."""
RECENT_SECONDS = 60.0
"""A file changed so recently may still be on its way: it gets a second look before it counts as a gap."""


class Damage(msgspec.Struct, frozen=True):
    """Lines of one transcript that are damaged in one way."""

    file: str
    kind: str
    lines: int


class Report(msgspec.Struct):
    """What was compared. `equal` is the proof."""

    files: int = 0
    bytes: int = 0
    archived_only: int = 0
    """Transcripts whose file is gone: database and log were compared with each other and their checksums."""
    databases: int = 0
    rows: int = 0
    """Databases whose rows were compared, and their rows."""
    ignored: int = 0
    forgotten: int = 0
    left: dict[str, int] = {}
    """Files and links below the folders that are not captured, by reason."""
    left_names: str = ""
    """A few of them."""
    problems: list[str] = []
    """Folders that cannot be listed."""
    gaps: list[Gap] = []
    damaged: list[Damage] = []
    """Damaged lines of the present generations; their bytes are archived as they are."""
    unknown: dict[str, int] = {}
    """Lines of types that no parser knows, by type."""
    replaced: int = 0
    """Secrets that were replaced before they were archived; every byte around them was compared."""
    replaced_in: int = 0
    """Transcripts that hold such placeholders."""
    texts: int = 0
    texts_without_vector: int = 0
    exchanges: int = 0
    exchanges_not_indexed: int = 0
    """Stored, but not found by their words yet."""
    seconds: float = 0.0

    @property
    def equal(self) -> bool:
        """True if every file equals its copies."""
        return not self.gaps


class Scope(msgspec.Struct, frozen=True):
    """Which files: those below `roots`; with `archived` also transcripts whose file is gone."""

    roots: Sequence[Root]
    archived: bool = False
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    host: str = ""
    """Name of this installation in transcript ids; empty = that of the machine."""
    redact: Scanner | None = None
    """Recognises what the watcher replaces, if it does."""


async def verify(archive: Archive, scope: Scope, progress: Progress) -> Report:
    """Compares everything in scope. Raises Unreachable."""
    began = time.monotonic()
    report = Report()
    files = await _files(archive, scope, report)
    report.files, report.bytes = len(files), sum(size for _, size, _ in files)
    gaps = await compare_files(archive, files, progress)
    recent = [f for f in files if _recent(f[0]) and any(gap.file == codec.printable(f[0]) for gap in gaps)]
    if recent:
        await asyncio.sleep(4)
        again = [(full, os.stat(full).st_size, row) for full, _, row in recent if os.path.exists(full)]
        rows = {row.full: row for row in await archive.transcripts()}
        again = [(full, size, row or rows.get(codec.printable(full))) for full, size, row in again]
        names = {codec.printable(full) for full, _, _ in again}
        gaps = [gap for gap in gaps if gap.file not in names] + await compare_files(archive, again, lambda *_: None)
    if scope.archived:
        gaps += await _without_file(archive, {row.transcript_id for _, _, row in files if row}, report, progress)
    compared = await compare_all(archive, None if scope.archived else [root.folder for root in scope.roots])
    report.databases, report.rows = len(compared), sum(one.rows for one in compared)
    gaps += [gap for one in compared for gap in one.gaps()]
    gaps += [Gap(problem, "file", 0, 0, "cannot be listed") for problem in report.problems]
    report.gaps = sorted(gaps)
    coverage = await archive.database.fetchrow(queries.read("unembedded"))
    report.texts, report.texts_without_vector = coverage["texts"], coverage["missing"]
    index = await archive.database.fetchrow(queries.read("unindexed"))
    report.exchanges, report.exchanges_not_indexed = index["exchanges"], index["missing"]
    placeholders = await archive.database.fetchrow(queries.read("secrets_replaced"))
    report.replaced, report.replaced_in = placeholders["secrets"], placeholders["transcripts"]
    for row in await archive.database.fetch(queries.read("odd_lines")):
        what, _, kind = row["name"].partition(":")
        if what == "damaged":
            report.damaged.append(Damage(row["file"], kind, row["lines"]))
        else:
            report.unknown[kind] = report.unknown.get(kind, 0) + row["lines"]
    report.seconds = time.monotonic() - began
    return report


async def _without_file(archive: Archive, present: set[str], report: Report, progress: Progress) -> list[Gap]:
    """Transcripts whose file is gone, known to either copy, and earlier generations of those that are there."""
    rows = {row.transcript_id: row for row in await archive.transcripts()}
    checkpoints = await archive.checkpoints()
    unknown = checkpoints.keys() - rows.keys() - await archive.forgotten()
    gaps = []
    for name in sorted(unknown):
        if row := await only_logged(archive, name):
            rows[name] = row
            gaps.append(Gap(row.full, "database", 0, checkpoints[name].end, "not in the archive", name))
    rewritten = {name for name in present if name in checkpoints and checkpoints[name].generation}
    gone = rows.keys() - present
    report.archived_only = sum(1 for name in gone if not there(rows[name].root))
    for number, name in enumerate(sorted(gone | rewritten), start=1):
        gaps += await compare_kept(archive, rows[name], file_gone=name in gone)
        progress("without file", number, len(gone | rewritten))
    return gaps


async def _files(archive: Archive, scope: Scope, report: Report) -> list[File]:
    """Files in scope with their size and their transcript, if the archive knows one."""
    known = await archive.transcripts()
    forgotten = await archive.forgotten()
    own = scope.host or socket.gethostname()
    hosts = {row.host for row in known} | {own}
    known_sources = [*sources.BY_NAME, sources.ATTACHMENT]
    databases = by_database(known).keys()
    files: list[File] = []
    left = Left()
    for root in sources.distinct(msgspec.structs.replace(r, folder=os.path.realpath(r.folder)) for r in scope.roots):
        # The same path may be known twice, from another host or below another root: its own row comes last.
        ranked = sorted(known, key=lambda row: (row.root == codec.printable(root.folder), row.host == own))
        rows = {row.full: row for row in ranked}
        for path, stat in walk(
            root.folder, partial(leaves, root, databases), report.problems, left=left, flat=root.flat
        ):
            full = os.path.join(root.folder, *path.split("/"))
            row = rows.get(codec.printable(f"{root.folder}/{path}"))
            names = {codec.transcript_id(s, h, root.folder, path) for s in known_sources for h in hosts}
            if row is None and names & forgotten:
                report.forgotten += 1
            elif row is None and (not stat.size or not _wanted(full, path, root, scope)):
                report.ignored += 1
                left.add("empty" if not stat.size else "no transcript, excluded, or too large", path)
            elif row is None and scope.redact and (why := _refusal(full, path, scope.redact)):
                report.ignored += 1
                left.add(why, path)
            else:
                files.append((full, stat.size, row))
    left.drop(AS_ROWS)
    report.left, report.left_names = left.counts, left.examples()
    return files


def _wanted(full: str, path: str, root: Root, scope: Scope) -> bool:
    """False for a file that is rightly not captured: excluded, or JSON that is no transcript."""
    try:
        with open(full, "rb") as handle:
            head = handle.read(HEAD)
    except OSError:
        return True
    head = packed.head(path, head, HEAD)
    if sources.attached(path) and os.path.getsize(full) > MOST_ATTACHED:
        return False
    plain = path.removesuffix(sources.PACKED)
    by_name = root.source != sources.AUTO or plain.endswith(".jsonl") or sources.attached(path)
    transcript = by_name or bool(sources.of_document(head))
    return transcript and admitted(path, head, scope.include, scope.exclude)


def _refusal(full: str, path: str, scanner: Scanner) -> str:
    """Why the watcher does not publish a file whose secrets are to be replaced; "" = it does."""
    if not packed.is_packed(path) and not sources.attached(path):
        return ""
    try:
        with open(full, "rb") as handle:
            head = handle.read(16)
            content = packed.unpacked(iter([head, *iter(lambda: handle.read(1 << 20), b"")]))
            return refusal(head, content if packed.is_packed(path) else None, scanner)
    except OSError:
        return ""


def _recent(full: str) -> bool:
    try:
        return time.time() - os.stat(full).st_mtime < RECENT_SECONDS  # noqa: TID251 - a file's time is wall time
    except OSError:
        return True


def roots_of(folders: Sequence[str], configured: Sequence[str], rows: Iterable[Transcript]) -> list[Root]:
    """The folders to verify: those given, else those of the running system, else all that the archive knows."""
    texts = folders or configured
    beside = projects.roots(os.environ, home()) if not texts or sources.DEFAULTS in texts else []
    if texts:
        named = [sources.parse(text) for text in texts]
        there = sources.completed(named, os.environ, home())
        return [*(root for root in there if root in named or Path(root.folder).is_dir()), *beside]
    known = [_root_of(row) for row in rows if Path(row.root).is_dir()]
    usual = [root for root in sources.defaults(os.environ, home()) if Path(root.folder).is_dir()]
    return [*dict.fromkeys(known), *usual, *beside]


def _root_of(row: Transcript) -> Root:
    """The folder of a transcript; of one that lies beside the code of a project, that file alone."""
    source = sources.BY_NAME.get(row.source)
    if source and row.path in source.projects and (root := projects.root_of(row.full, row.source)):
        return root
    return Root(row.root)
