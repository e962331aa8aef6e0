"""`mnemo forget`: a session out of the log, the database and the dead letters, with a tombstone in its place.

    tombstone ──▶ every copy in the log erased ──▶ nobody has it in hand, the writer has applied the tombstone
                              ▲                                       │
                              └──────── again while anything came ────┘ ──▶ bytes erased in PostgreSQL ──▶ done

Done means: nothing of it is stored and nobody can still store it. Whoever had it in hand has settled it, a watcher or
an embedder that hears the tombstone ships no more of it, and the writer drops what arrives all the same.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime

import asyncpg
import msgspec
from nats.js.errors import NotFoundError

from mnemostream.archive import erase, queries
from mnemostream.archive.copies import Archive, NotFound, Transcript, Unreachable, decoded
from mnemostream.archive.restore import find
from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.events import DeadLetter, Event, Heartbeat, InFlight, Suspect
from mnemostream.contracts.transcripts import TranscriptChanged, TranscriptForgotten
from mnemostream.runtime import streams
from mnemostream.runtime.bus import Message
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.delivery.custody import sequence_of
from mnemostream.runtime.errors import Transient
from mnemostream.runtime.streams import Selection

QUIET_SECONDS = 2.0
"""How long nothing of a session may arrive any more before it counts as gone."""
HELD_SECONDS = 300.0
"""Longest wait for workers that have a message of the session in hand, and for the writer."""
DEAD_SECONDS = 60.0
"""A worker that was not heard for so long publishes nothing any more."""
MOST_ROUNDS = 30


class Forgotten(msgspec.Struct):
    """What is, or was, kept of a session."""

    session: str
    transcripts: list[str]
    files: list[str]
    messages: int = 0
    segments: int = 0
    bytes: int = 0
    records: int = 0
    vectors: int = 0
    """Texts with vectors that occur in no other session."""
    dead_letters: int = 0
    shared_exchanges: int = 0
    """Exchanges that a fork of the session holds too; they stay there."""
    done: bool = False
    not_erased: list[str] = []
    """Places that may still hold bytes of it, and why."""


Tell = Callable[[str], None]
StreamSequences = dict[str, list[int]]
"""Stream to the sequences of its messages."""


async def whose(archive: Archive, name: str) -> list[Transcript]:
    """All transcripts of a session: archived ones, those that only the log has yet, and forgotten ones, to say it
    again. Raises Unreachable if there are none."""
    try:
        rows = await find(archive, name)
    except NotFound:
        rows = []
    sessions = {row.session_id for row in rows} or {name}
    tombstones = await archive.database.fetch(queries.read("forgotten_sessions"))
    known = {row.transcript_id for row in rows}
    rows += [
        Transcript(row[0], row[1], "", "", "", row[2], False)
        for row in tombstones
        if row[0] not in known and (row[0] == name or row[2] in sessions)
    ]
    rows += await _in_log(archive, name, sessions, {row[0] for row in tombstones})
    return rows or await find(archive, name)  # the writer may have stored it between the two looks


async def _in_log(archive: Archive, name: str, sessions: set[str], forgotten: set[str]) -> list[Transcript]:
    """Transcripts of these sessions that the writer has not stored yet."""
    stored = {row.transcript_id for row in await archive.transcripts()} | forgotten
    transcripts = []
    async with aclosing(archive.messages([subjects.CHANGED], last=True)) as messages:
        new = [m.subject async for m in messages if subjects.source_and_transcript(m.subject)[1] not in stored]
    for subject in new:
        event: Event | None = None
        last = await archive.nats.stream.get_last_msg(topology.TRANSCRIPTS.name, subject, direct=True)
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            event = codec.decode_from(subject, last.data or b"")
        if isinstance(event, TranscriptChanged) and (event.session_id in sessions or event.transcript == name):
            facts = (event.source, event.host, event.root, event.path, event.session_id, event.subagent)
            transcripts.append(Transcript(event.transcript, *facts))
    return transcripts


async def survey(archive: Archive, rows: Sequence[Transcript]) -> Forgotten:
    """What would go. Changes nothing."""
    names = [row.transcript_id for row in rows]
    counts = await archive.database.fetchrow(queries.read("forget_survey"), names)
    forgotten = Forgotten(rows[0].session_id, names, [row.full for row in rows if row.path], **dict(counts))
    stored = await _stored(archive, rows)
    forgotten.dead_letters = len(stored.pop(topology.DEADLETTERS.name))
    forgotten.messages = sum(map(len, stored.values()))
    return forgotten


async def forget(archive: Archive, rows: Sequence[Transcript], tell: Tell = lambda text: None) -> Forgotten:
    """Lays the tombstones, then removes. Repeating it is harmless. Raises Unreachable."""
    forgotten = await survey(archive, rows)
    names = [row.transcript_id for row in rows]
    try:
        await _lay(archive, rows)
        await _remove(archive, rows, names, tell)
        async with erase.no_replay(archive.database, tell):
            await _remove(archive, rows, names, tell)  # what a replay had read before the tombstones
            forgotten.not_erased = [*await erase.database(archive.database, tell), *erase.BEYOND]
    except (*erase.FAILURES, Transient, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Unreachable(f"not finished; run the command again: {error or type(error).__name__}") from error
    forgotten.done = True
    return forgotten


async def _lay(archive: Archive, rows: Sequence[Transcript]) -> None:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")  # noqa: TID251
    for row in rows:
        event = TranscriptForgotten(row.transcript_id, row.source, row.session_id, now)
        for edge in ("", *await archive.edges(row)):
            subject = subjects.forgotten(row.source, row.transcript_id, edge)
            # An id that nobody can foresee: one that was taken would have the tombstone dropped as a repeat.
            await archive.nats.publish(Message(subject, codec.encode(event), f"{subject}:{uuid.uuid4().hex}"))


async def _remove(archive: Archive, rows: Sequence[Transcript], names: Sequence[str], tell: Tell) -> None:
    """Until a quiet moment shows nothing stored, nothing in hand and nothing in the database."""
    before: set[tuple[str, int]] = set()
    for _ in range(MOST_ROUNDS):
        stored = await _stored(archive, rows)
        before |= {(stream, sequence) for stream, sequences in stored.items() for sequence in sequences}
        tell(f"erasing {sum(map(len, stored.values()))} log messages")
        for stream, sequences in stored.items():
            await erase.messages(archive.nats, stream, sequences)
        await _settled(archive, names, before, tell)
        await asyncio.sleep(QUIET_SECONDS)
        if not any((await _stored(archive, rows)).values()) and not await _holders(archive, before):
            await erase.messages(archive.nats, topology.SUSPECTS.name, await _suspects(archive, before))
            return
    raise Unreachable("segments are still arriving; run the command again")


async def _settled(archive: Archive, names: Sequence[str], erased: set[tuple[str, int]], tell: Tell) -> None:
    """Returns when no worker has any of it in hand and the writer has applied the tombstones. Raises Unreachable."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + HELD_SECONDS
    while True:
        holders = await _holders(archive, erased)
        waiting = await archive.database.fetch(queries.read("still_there"), list(names))
        if not holders and not waiting:
            return
        who = f"{', '.join(holders)} (still processing messages)" if holders else "the writer"
        tell(f"waiting for {who}")
        if loop.time() > deadline:
            raise Unreachable(
                f"the tombstones are stored and nothing more is captured; still waiting for {who}: "
                "see `mnemo status`, then run the command again"
            )
        await asyncio.sleep(0.5)


async def _stored(archive: Archive, rows: Sequence[Transcript]) -> StreamSequences:
    """All messages that hold anything of these transcripts, tombstones apart."""
    wanted: dict[str, list[str]] = {topology.TRANSCRIPTS.name: [], topology.EMBEDDINGS.name: []}
    for row in rows:
        name, source = row.transcript_id, row.source
        wanted[topology.TRANSCRIPTS.name] += [*subjects.segments(source, name), subjects.reparsed(source, name)]
        wanted[topology.EMBEDDINGS.name].append(subjects.embedded(source, name))
    sequences: StreamSequences = {}
    for stream, filters in wanted.items():
        async with aclosing(streams.read(archive.nats, stream, Selection(filters=filters, headers=True))) as messages:
            sequences[stream] = [message.metadata.sequence.stream async for message, _ in messages]
    sequences[topology.DEADLETTERS.name] = await _letters(archive, {row.transcript_id for row in rows})
    return sequences


async def _letters(archive: Archive, names: set[str]) -> list[int]:
    """Stream sequences of dead letters that hold messages of these transcripts."""
    sequences = []
    async with aclosing(archive.messages([subjects.DEADLETTERS], stream=topology.DEADLETTERS.name)) as messages:
        async for message in messages:
            event = decoded(message)
            if isinstance(event, DeadLetter) and not names.isdisjoint(event.subject.split(".")[3:]):
                sequences.append(message.metadata.sequence.stream)
    return sequences


async def _suspects(archive: Archive, erased: set[tuple[str, int]]) -> list[int]:
    """Records of crashes with these messages: tracebacks may quote them."""
    sequences = []
    async with aclosing(archive.messages([subjects.SUSPECTS], stream=topology.SUSPECTS.name)) as messages:
        async for message in messages:
            event = decoded(message)
            if isinstance(event, Suspect) and (event.stream, event.stream_sequence) in erased:
                sequences.append(message.metadata.sequence.stream)
    return sequences


async def _holders(archive: Archive, erased: set[tuple[str, int]]) -> list[str]:
    """Living workers that have any of these messages in hand."""
    holders = []
    async with aclosing(archive.messages([subjects.IN_FLIGHT], stream=topology.IN_FLIGHT.name)) as messages:
        async for message in messages:
            event = decoded(message)
            held = isinstance(event, InFlight) and any((event.stream, sequence_of(ack)) in erased for ack in event.acks)
            if held and isinstance(event, InFlight) and await _lives(archive, event):
                holders.append(event.instance)
    return holders


async def _lives(archive: Archive, event: InFlight) -> bool:
    """False for a worker of another boot, or one that was not heard for long."""
    subject = subjects.heartbeat(event.stage, event.instance)
    try:
        last = await archive.nats.stream.get_last_msg(topology.HEARTBEATS.name, subject, direct=True)
        beat = codec.decode(last.data or b"")
    except (NotFoundError, msgspec.DecodeError):
        return False
    if not isinstance(beat, Heartbeat) or beat.boot_id != event.boot_id or last.time is None:
        return False
    return bool(SystemClock().now() - last.time.timestamp() < DEAD_SECONDS)
