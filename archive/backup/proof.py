"""Reads a restored log and proves it by itself: every segment's bytes, in a row without a gap, with its checksum."""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import aclosing

import msgspec

from mnemostream.archive.backup.book import Tell
from mnemostream.archive.copies import Segment, decoded
from mnemostream.contracts import sources, subjects, topology
from mnemostream.contracts.transcripts import TranscriptChanged, TranscriptForgotten
from mnemostream.runtime import streams
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.disk.generations import chained
from mnemostream.runtime.streams import Selection


class Proof(msgspec.Struct):
    """What was read. Sizes in bytes."""

    transcripts: int = 0
    bytes: int = 0
    problems: list[str] = []
    written: int = 0
    """By the backup; 0 = it was there."""
    host: str = ""
    """Name of the installation that most segments are of."""


class _Chain:
    """The segments of one generation of one transcript."""

    def __init__(self) -> None:
        self.end = 0
        self.sum: hashlib._Hash | None = hashlib.sha256()
        """Of the file so far; None where it cannot be known, since secrets were replaced."""

    def take(self, segment: Segment, stop: int | None = None) -> str:
        """What is wrong with it, "" if nothing. One that was delivered again is not read again. `stop` is where the
        next generation goes on with bytes of its own."""
        stop = segment.end if stop is None else stop
        if stop <= self.end:
            return ""
        if segment.start > self.end:
            return f"bytes {self.end} to {segment.start} are missing"
        try:
            kept = segment.bytes()
        except ValueError as error:
            return f"bytes {segment.start} to {segment.end}: {error}"
        new = kept[self.end - segment.start : stop - segment.start]
        self.end = stop
        if segment.kept_sha256:
            self.sum = None
        if self.sum is not None:
            self.sum.update(new)
            if stop == segment.end and self.sum.digest() != segment.sha256:
                return f"bytes {segment.start} to {segment.end}: checksum mismatch"
        return ""


async def proved(bus: Bus, tell: Tell) -> Proof:
    """Reads the whole log. Raises Transient."""
    proof, chains, forgotten = Proof(), dict[tuple[str, int], _Chain](), set[str]()
    problems: dict[str, list[str]] = {}
    hosts: Counter[str] = Counter()
    documents: dict[str, str] = {}  # whose generations share their beginnings, with their subjects
    done = 0
    async with aclosing(streams.read(bus, topology.TRANSCRIPTS.name)) as messages:
        async for message, left in messages:
            done += 1
            tell("proving", done, done + left)
            event = decoded(message)
            if isinstance(event, TranscriptForgotten):
                forgotten.add(event.transcript)
            elif isinstance(event, TranscriptChanged) and event.end > event.start and event.source != sources.CANARY:
                if not subjects.edge_of(message.subject):
                    hosts[event.host] += 1
                if event.base or event.transcript in documents:
                    documents[event.transcript] = message.subject
                    continue
                chain = chains.setdefault((event.transcript, event.generation), _Chain())
                if wrong := chain.take(Segment.of(event)):
                    problems.setdefault(event.transcript, []).append(f"{event.root}/{event.path}: {wrong}")
    for transcript, subject in documents.items():
        if transcript not in forgotten:
            problems[transcript] = await _document(bus, subject, chains)
    kept = {key: chain for key, chain in chains.items() if key[0] not in forgotten}
    proof.host = hosts.most_common(1)[0][0] if hosts else ""
    proof.transcripts = len({transcript for transcript, _ in kept})
    proof.bytes = sum(chain.end for chain in kept.values())
    proof.problems = [each for name, wrong in problems.items() if name not in forgotten for each in wrong]
    return proof


async def _document(bus: Bus, subject: str, chains: dict[tuple[str, int], _Chain]) -> list[str]:
    """What is wrong with the generations of one document, which share their beginnings."""
    events: list[TranscriptChanged] = []
    async with aclosing(streams.read(bus, topology.TRANSCRIPTS.name, Selection(filters=[subject]))) as messages:
        async for message, _ in messages:
            event = decoded(message)
            if isinstance(event, TranscriptChanged) and event.end > event.start:
                events.append(event)
    segments = [Segment.of(event) for event in events]
    problems = []
    for generation in sorted({event.generation for event in events}):
        chain = chains[events[0].transcript, generation] = _Chain()
        end = max(event.end for event in events if event.generation == generation)
        for segment, stop in chained(segments, generation, end):
            if wrong := chain.take(segment, stop):
                problems.append(f"{events[0].root}/{events[0].path} (generation {generation}): {wrong}")
        if chain.end < end and not problems:
            problems.append(f"{events[0].root}/{events[0].path} (generation {generation}): bytes are missing")
    return problems
