"""`mnemo forget`: a session out of the log, the database and the dead letters, with a tombstone in its place."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import nats.errors
from nats.js.errors import APIError

from contracts import codec, subjects, topology
from contracts.events import DeadLetter, TranscriptForgotten
from local import queries
from local.archive import Archive, Transcript, Unreachable, decoded
from runtime.bus import Message

QUIET_SECONDS = 2.0
"""How long nothing of a session may arrive any more before it counts as gone."""


MOST_PURGES = 30


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


async def survey(archive: Archive, rows: Sequence[Transcript]) -> Forgotten:
    """What would go. Changes nothing."""
    names = [row.transcript_id for row in rows]
    counts = await archive.database.fetchrow(queries.read("forget_survey"), names)
    found = Forgotten(rows[0].session_id, names, [row.full for row in rows], **dict(counts))
    found.messages = await _kept(archive, rows)
    found.dead_letters = len(await _letters(archive, names))
    return found


async def forget(archive: Archive, rows: Sequence[Transcript]) -> Forgotten:
    """Lays the tombstones, then removes. Repeating it is harmless. Raises Unreachable."""
    found = await survey(archive, rows)
    names = [row.transcript_id for row in rows]
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")  # noqa: TID251
    try:
        for row in rows:
            event = TranscriptForgotten(row.transcript_id, row.source, row.session_id, now)
            subject = subjects.forgotten(row.source, row.transcript_id)
            await archive.nats.publish(Message(subject, codec.encode(event), f"forgotten:{row.transcript_id}"))
        await _purge(archive, rows)
        for sequence in await _letters(archive, names):
            await archive.nats.stream.delete_msg(topology.DEADLETTERS.name, sequence)
        await _written(archive, names)
        for _ in range(MOST_PURGES):  # what was on its way when the tombstone was laid
            await asyncio.sleep(QUIET_SECONDS)
            if not await _kept(archive, rows):
                break
            await _purge(archive, rows)
        else:
            raise Unreachable("segments still arrive; say it again")
    except (nats.errors.Error, APIError, TimeoutError) as error:
        raise Unreachable(f"not finished, say it again: {error or type(error).__name__}") from error
    found.done = True
    return found


async def _purge(archive: Archive, rows: Sequence[Transcript]) -> None:
    for row in rows:
        for stream, subject in _subjects(row):
            await archive.nats.stream.purge_stream(stream, subject=subject)


def _subjects(row: Transcript) -> list[tuple[str, str]]:
    name, source = row.transcript_id, row.source
    return [
        (topology.TRANSCRIPTS.name, subjects.changed(source, name)),
        (topology.TRANSCRIPTS.name, subjects.reparsed(source, name)),
        (topology.EMBEDDINGS.name, subjects.embedded(source, name)),
    ]


async def _kept(archive: Archive, rows: Sequence[Transcript]) -> int:
    """Messages of these transcripts in the log."""
    total = 0
    for row in rows:
        for stream, subject in _subjects(row):
            info = await archive.nats.stream.stream_info(stream, subjects_filter=subject)
            total += sum((info.state.subjects or {}).values())
    return total


async def _letters(archive: Archive, names: Sequence[str]) -> list[int]:
    """Stream sequences of dead letters that hold messages of these transcripts."""
    found = []
    async for message in archive.messages([subjects.DEADLETTERS], stream=topology.DEADLETTERS.name):
        event = decoded(message)
        if isinstance(event, DeadLetter) and event.subject.rsplit(".", 1)[-1] in names:
            found.append(message.metadata.sequence.stream)
    return found


async def _written(archive: Archive, names: Sequence[str]) -> None:
    """Returns when the writer has applied the tombstones. Raises Unreachable when it does not within a minute."""
    for _ in range(120):
        rows = await archive.database.fetch(queries.read("still_there"), list(names))
        if not rows:
            return
        await asyncio.sleep(0.5)
    raise Unreachable("the tombstones are laid, but the writer does not apply them: see `mnemo status`")
