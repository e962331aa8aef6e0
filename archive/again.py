"""Vectors made anew, and consumers that are made to read again what they skipped; the log says what there is to do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import aclosing

import msgspec
import nats.errors

from mnemostream.archive import queries
from mnemostream.archive.copies import Archive, Transcript, decoded
from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.requests import EmbedAgain, RetryReply
from mnemostream.contracts.transcripts import RecordsReparsed, TranscriptChanged, embeddable
from mnemostream.runtime import provision
from mnemostream.runtime.errors import Transient

ANSWER_SECONDS = 110.0
"""The server lets an embedder answer for two minutes (local/nats_conf.py)."""
SIDE_BY_SIDE = 4
"""Requests under way at once: for several embedders."""
LOOK_SECONDS = 0.5
PATIENCE_SECONDS = 60.0
"""A consumer that gets nothing done for so long is not waited for."""
Tell = Callable[[str, int, int], None]
"""Step, done, total."""


async def texts(archive: Archive, rows: Sequence[Transcript], only: Collection[str] | None = None) -> list[int]:
    """Sequences of the messages that brought texts of these transcripts; `only` = those with a text of these hashes."""
    filters = [subject for row in rows for subject in _texts_of(row)]
    found = []
    for start in range(0, len(filters), 50):
        async with aclosing(archive.messages(filters[start : start + 50])) as messages:
            async for message in messages:
                event = decoded(message)
                if not isinstance(event, (TranscriptChanged, RecordsReparsed)):
                    continue
                shas = {codec.text_sha(record.text) for record in event.records if embeddable(record)}
                if shas & set(only) if only is not None else shas:
                    found.append(message.metadata.sequence.stream)
    return sorted(found)


def _texts_of(row: Transcript) -> tuple[str, ...]:
    """Filters of the messages with its texts."""
    return *subjects.segments(row.source, row.transcript_id), subjects.reparsed(row.source, row.transcript_id)


async def embed(archive: Archive, sequences: Sequence[int], revision: int, tell: Tell) -> list[str]:
    """Has the vectors of these messages made anew; why some were not. Returns when they are in the log."""
    slots, problems, done = asyncio.Semaphore(SIDE_BY_SIDE), list[str](), 0

    async def one(sequence: int) -> None:
        nonlocal done
        async with slots:
            if problem := await _asked(archive, EmbedAgain(sequence, revision)):
                problems.append(problem)
            done += 1
            tell("embedding", done, len(sequences))

    await asyncio.gather(*map(one, sequences))
    return sorted(set(problems))


async def _asked(archive: Archive, request: EmbedAgain) -> str:
    try:
        asked = codec.encode(request)
        answer = await archive.nats.client.request(subjects.EMBED_AGAIN, asked, timeout=ANSWER_SECONDS)
        return msgspec.json.decode(answer.data, type=RetryReply).error
    except nats.errors.NoRespondersError:
        return "no embedder is running"
    except (nats.errors.Error, TimeoutError, msgspec.DecodeError) as error:
        return f"no answer from an embedder: {error or type(error).__name__}"


async def missing(archive: Archive) -> dict[str, set[str]]:
    """Hashes of texts without a vector of the model in use, by transcript."""
    found: dict[str, set[str]] = {}
    for row in await archive.database.fetch(queries.read("texts_without_vector")):
        found.setdefault(row["transcript_id"], set()).add(row["text_sha"])
    return found


async def skipped(archive: Archive) -> list[str]:
    """Transcripts of which the log holds more than the database, or a tombstone that the database lacks."""
    rows = await archive.database.fetch(queries.read("whole_ends"))
    ends = {row["transcript_id"]: (row["generation"], row["reached"]) for row in rows}
    gone = await archive.forgotten()
    checkpoints = await archive.checkpoints()
    behind = [
        name
        for name, point in checkpoints.items()
        if name not in gone and point.end and ends.get(name, (-1, 0)) < (point.generation, point.end)
    ]
    holes = [name for name, (_, reached) in ends.items() if reached < 0]
    async with aclosing(archive.messages([subjects.FORGOTTEN], last=True)) as messages:
        laid = [subjects.source_and_transcript(message.subject)[1] async for message in messages]
    return sorted({*behind, *holes, *(set(laid) - {subjects.token(name) for name in gone})})


async def drained(archive: Archive, tell: Tell) -> int:
    """Messages that still wait, when nothing waits any more or nothing gets done."""
    most, least, since = 0, -1, asyncio.get_running_loop().time()
    while True:
        left = 0
        for consumer in topology.CONSUMERS:
            info = await archive.nats.stream.consumer_info(consumer.stream, consumer.name, timeout=10)
            left += (info.num_pending or 0) + (info.num_ack_pending or 0)
        most, now = max(most, left), asyncio.get_running_loop().time()
        tell("reading", most - left, most)
        if left < least or least < 0:
            least, since = left, now
        if not left or now - since > PATIENCE_SECONDS:
            return left
        await asyncio.sleep(LOOK_SECONDS)


class Healed(msgspec.Struct):
    """What was found and done. It is proved if nothing waits, and nothing is skipped or missing any more."""

    waiting: int = 0
    """Messages that nobody has read yet."""
    skipped: list[str] = []
    """Transcripts that the database lacks in part."""
    texts_without_vector: int = 0
    read_again: list[str] = []
    """Consumers that were made anew and read their stream from the start."""
    embedded_again: int = 0
    """Messages whose missing vectors were made."""
    transcripts: int = 0
    problems: list[str] = []

    @property
    def proved(self) -> bool:
        """True if every transcript of the log is in the database, and every text has its vector."""
        return not (self.waiting or self.skipped or self.texts_without_vector)


async def heal(archive: Archive, tell: Tell) -> Healed:
    """Compares the log with the database, and has read again what a consumer skipped. Raises Unreachable, Transient."""
    healed = Healed()
    healed.waiting = await _waited(archive, tell)
    if not healed.waiting and await skipped(archive):
        await provision.recreate(archive.nats, topology.WRITER_TRANSCRIPTS)
        healed.read_again.append(f"{topology.WRITER_TRANSCRIPTS.stream}.{topology.WRITER_TRANSCRIPTS.name}")
        healed.waiting = await _waited(archive, tell)
    if not healed.waiting and await missing(archive):
        await provision.recreate(archive.nats, topology.WRITER_EMBEDDINGS)  # they may be in the log already
        healed.read_again.append(f"{topology.WRITER_EMBEDDINGS.stream}.{topology.WRITER_EMBEDDINGS.name}")
        healed.waiting = await _waited(archive, tell)
    if not healed.waiting and (lacking := await missing(archive)):
        rows = [row for row in await archive.transcripts() if row.transcript_id in lacking]
        sequences = await texts(archive, rows, only=set().union(*lacking.values()))
        healed.problems = await embed(archive, sequences, 0, tell)
        healed.embedded_again = len(sequences)
        healed.waiting = await _waited(archive, tell)
    healed.skipped = await skipped(archive)
    healed.texts_without_vector = len(set().union(*(await missing(archive)).values(), set()))
    healed.transcripts = len(await archive.transcripts())
    return healed


async def _waited(archive: Archive, tell: Tell) -> int:
    try:
        return await drained(archive, tell)
    except (nats.errors.Error, nats.js.errors.Error, TimeoutError) as error:
        raise Transient(f"NATS: {error or type(error).__name__}") from error
