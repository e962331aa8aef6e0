"""Parses the archive anew with the present parsers; no file is needed.

    python -m mnemostream.services.watcher.reparse

    log ──bytes of a generation──▶ parse (pure) ──▶ transcripts.reparsed.* ──▶ writer, embedder

Only generations that hold segments of an older parser, or in which nobody has looked for secrets, are read. The events
are facts of their own: a replay gives the same rows, and a second run finds nothing to do.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

import msgspec
import nats.errors
from nats.js.errors import APIError

from mnemostream.contracts import codec, sources, subjects, topology
from mnemostream.contracts.requests import ReparseProgress
from mnemostream.contracts.transcripts import Record, RecordsReparsed, TranscriptChanged
from mnemostream.runtime import bus, streams
from mnemostream.runtime.bus import Bus, Message
from mnemostream.runtime.disk import packed
from mnemostream.runtime.disk.generations import chained
from mnemostream.runtime.errors import Transient
from mnemostream.runtime.logs import Log
from mnemostream.runtime.process import lifecycle
from mnemostream.runtime.secrets.scan import scanner
from mnemostream.runtime.settings import Common
from mnemostream.runtime.streams import Selection
from mnemostream.services.watcher.files.identify import HEAD
from mnemostream.services.watcher.formats import FORMATS, identify
from mnemostream.services.watcher.parsing.secrecy import Secrecy
from mnemostream.services.watcher.parsing.segments import batches
from mnemostream.services.watcher.parsing.units import FileOrigin, parse, units_of, unpacked_units

log = Log("mnemo.reparse")


EVERYTHING = 1 << 62
"""End of a file that is read as one piece: offsets of its records are not those of its bytes."""


class Settings(Common, frozen=True, kw_only=True):
    """Environment: the address of the operator of the bus."""


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Reparses what an older parser has read. Raises Transient when the bus fails; say it again then."""
    async with bus.connect(settings.nats_url, name="reparse") as connection:
        names = await _subjects(connection)
        secrecy = Secrecy(scanner(settings.secret_rules))
        reparsed = records = 0
        for number, subject in enumerate(names, start=1):
            if stop.is_set():
                raise Transient("stopped before everything was parsed; run the command again")
            events = await _transcript(connection, subject, secrecy)
            reparsed += len({(event.transcript, event.generation) for event in events})
            records += sum(len(event.records) for event in events)
            await connection.publish_all([_message(event) for event in events])
            _say(ReparseProgress(number, len(names), reparsed, records))
        if not names:
            _say(ReparseProgress(0, 0))


def _say(progress: ReparseProgress) -> None:
    sys.stdout.write(codec.encode(progress).decode() + "\n")
    sys.stdout.flush()


def _message(event: RecordsReparsed) -> Message:
    subject = subjects.reparsed(event.source, event.transcript)
    return Message(subject, codec.encode(event), codec.reparsed_message_id(event))


async def _subjects(connection: Bus) -> list[str]:
    try:
        info = await connection.stream.stream_info(topology.TRANSCRIPTS.name, subjects_filter=subjects.CHANGED)
    except (nats.errors.Error, APIError, TimeoutError) as error:
        raise Transient(f"cannot read the log: {error}") from error
    return sorted(subject for subject in info.state.subjects or {} if "*" not in subject and ">" not in subject)


async def _transcript(connection: Bus, subject: str, secrecy: Secrecy) -> list[RecordsReparsed]:
    """The events for one transcript: one or more for each generation that an older parser has read."""
    source, name = subjects.source_and_transcript(subject)
    version = FORMATS[source].version if source in FORMATS else 0
    segments: list[TranscriptChanged] = []
    upto: dict[int, tuple[int, int]] = {}
    looked: dict[int, tuple[int, int]] = {}
    async with aclosing(_events(connection, [subject, subjects.reparsed(source, name)])) as logged:
        async for event in logged:
            if isinstance(event, RecordsReparsed) and event.parser >= version:
                lineage = event.generation if event.lineage is None else event.lineage
                upto[lineage] = max(upto.get(lineage, (0, 0)), (event.generation, event.end))
                if event.secrets is not None:
                    looked[lineage] = max(looked.get(lineage, (0, 0)), (event.generation, event.end))
            elif isinstance(event, TranscriptChanged) and event.end > event.start:
                segments.append(event)
    events: list[RecordsReparsed] = []
    for lineage, generations in _lineages(segments).items():
        own = [s for s in segments if s.generation in generations]
        old = [s for s in own if s.parser < version and (s.generation, s.end) > upto.get(lineage, (0, 0))]
        unseen = [s for s in own if s.secrets is None and (s.generation, s.end) > looked.get(lineage, (0, 0))]
        newest = _complete(own, generations)
        if (old or unseen) and newest is not None:
            end = _reach(segments, newest)
            chain = list(chained(segments, newest, end))
            if chain and end:
                events += await asyncio.to_thread(_reparsed, source, (newest, lineage), chain, secrecy)
    return events


def _complete(own: list[TranscriptChanged], generations: set[int]) -> int | None:
    """The newest generation of a lineage; of several, the newest save that was read to its end: half a document says
    nothing. None if there is none."""
    if len(generations) == 1:
        return max(generations)
    for generation in sorted(generations, reverse=True):
        last = max((s for s in own if s.generation == generation), key=lambda segment: segment.end)
        if not any(name == "fragment" or name.startswith("damaged:") for name in last.counts):
            return generation
    return None


def _lineages(segments: list[TranscriptChanged]) -> dict[int, set[int]]:
    """The generations whose records are kept together, by that under which they are kept. The newest has all of them:
    where records vanish from a document, a new lineage begins."""
    last: dict[int, TranscriptChanged] = {}
    for segment in sorted(segments, key=lambda segment: segment.end):
        last[segment.generation] = segment
    found: dict[int, set[int]] = {}
    for generation, segment in last.items():
        found.setdefault(generation if segment.lineage is None else segment.lineage, set()).add(generation)
    return found


Chain = list[tuple[TranscriptChanged, int]]
"""Segments from byte 0 on, and where each of them stops to count."""


def _reparsed(source: str, which: tuple[int, int], chain: Chain, secrecy: Secrecy) -> list[RecordsReparsed]:
    """The events for the newest generation of a lineage; none if nobody can read it."""
    records, secrets, end = _parsed(chain, secrecy)
    if not end:
        return []
    version = FORMATS[source].version if source in FORMATS else 0
    generation, lineage = which
    whole = RecordsReparsed(chain[-1][0].transcript, source, generation, end, version, 0)
    if lineage != generation:
        whole = msgspec.structs.replace(whole, lineage=lineage, version=2)
    return [
        msgspec.structs.replace(whole, part=n, records=part, secrets=secrets if n == 0 else None)
        for n, part in enumerate(list(batches(records)) or [[]])
    ]


async def _events(connection: Bus, filters: list[str]) -> AsyncGenerator[object, None]:
    async with aclosing(streams.read(connection, topology.TRANSCRIPTS.name, Selection(filters=filters))) as messages:
        async for message, _ in messages:
            try:
                yield codec.decode_from(message.subject, message.data)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                log.warning("cannot decode message", subject=message.subject)


def _parsed(chain: Chain, secrecy: Secrecy) -> tuple[list[Record], dict[str, int] | None, int]:
    """All records of one generation by the present parser, its secrets by kind, and the offset up to which its bytes
    are whole."""
    end = chain[-1][1]
    first = chain[0][0]
    head = b""
    for piece in _bytes(chain):
        head += piece
        if len(head) >= HEAD:
            break
    head = head[:HEAD]
    head = packed.head(first.path, head, HEAD)
    identity = identify(first.path, head, first.source, complete=end <= HEAD)
    if identity is None:
        return [], None, 0  # what older parsers read stays
    context = identity.format.context(first.path.removesuffix(sources.PACKED), identity.first)
    where = (first.transcript, first.host, first.root, first.path)
    origin = FileOrigin(*where, identity.format, context, identity.whole, packed.is_packed(first.path))
    state = identity.format.state()
    records: list[Record] = []
    secrets: Counter[str] = Counter()
    units = unpacked_units if origin.packed else units_of
    for unit in units(_bytes(chain), whole=identity.whole):
        records += parse([unit], origin, state)[0]
        secrets.update(secrecy.count([unit]).counts or {})
    return records, dict(secrets), EVERYTHING if origin.at_once else end


def _reach(segments: list[TranscriptChanged], generation: int) -> int:
    """Where the bytes of a generation from 0 on end: at the first gap."""
    most = max(segment.end for segment in segments if segment.generation == generation)
    end = 0
    for segment, stop in chained(segments, generation, most):
        if segment.start > end:
            log.warning("bytes missing from the log", transcript=segment.transcript, start=end, end=segment.start)
            break
        end = max(end, stop)
    return end


def _bytes(chain: Chain) -> Iterator[bytes]:
    """The bytes from 0 on, without a gap."""
    end = 0
    for segment, stop in chain:
        if stop > end:
            data = packed.content(segment.data, segment.end - segment.start)
            yield data[end - segment.start : stop - segment.start]
            end = stop


if __name__ == "__main__":
    lifecycle.run(main, Settings, None)
