"""Positions from the log: the last checkpoint of every transcript, and the tombstones; headers only.

The log is the only memory of the watcher. Losing its machine loses nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import aclosing

import msgspec
from nats.aio.msg import Msg

from mnemostream.contracts import codec, sources, subjects, topology
from mnemostream.contracts.transcripts import Checkpoint
from mnemostream.runtime import streams
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.logs import Log
from mnemostream.runtime.streams import Selection
from mnemostream.services.watcher.checkpoints import lies_in, packed, reached

log = Log("mnemo.catalog")


class Positions:
    """What the log knows: where capture stands by transcript id, and what was forgotten."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, bytes]] = {}
        """Checkpoints by source and transcript, in few bytes."""
        self.forgotten: set[str] = set()

    def __iter__(self) -> Iterator[tuple[str, str, bytes]]:
        """Source, transcript and checkpoint of those that were not taken."""
        return ((source, name, kept) for source, table in self._kept.items() for name, kept in table.items())

    def __len__(self) -> int:
        return sum(map(len, self._kept.values()))

    def add(self, source: str, checkpoint: Checkpoint) -> None:
        """The log holds a transcript up to here."""
        self._kept.setdefault(source, {})[checkpoint.transcript] = packed(checkpoint)

    def take(self, root: sources.Root, path: str, host: str) -> tuple[str, str, bytes]:
        """Source ("" = not known to the log), transcript and checkpoint of a file; they leave the catalog."""
        for name in _names(root) if self._kept else ():
            if table := self._kept.get(name):
                transcript = codec.transcript_id(name, host, root.folder, path)
                if kept := table.pop(transcript, b""):
                    return name, transcript, kept
        return ("" if root.source == sources.AUTO else root.source), "", b""

    def published(self) -> Counter[str]:
        """Bytes of the present generations, by source."""
        return Counter({name: sum(reached(kept)[1] for kept in table.values()) for name, table in self._kept.items()})

    def drop(self, transcript: str) -> tuple[str, int]:
        """A tombstone was laid: source and end of what was not taken, "" and 0 if nothing was there."""
        for source, table in self._kept.items():
            if kept := table.pop(transcript, b""):
                return source, reached(kept)[1]
        return "", 0

    def left_of(self, root: sources.Root, host: str) -> int:
        """Transcripts that the log holds from below a root, and no file was seen of."""
        return self.left_below([root], host)

    def left_below(self, roots: Iterable[sources.Root], host: str) -> int:
        """The same, of several roots."""
        places = {bytes.fromhex(codec.place(host, root.folder)) for root in roots}
        return sum(1 for _, _, kept in self if lies_in(kept, places))

    def is_forgotten(self, root: sources.Root, path: str, host: str) -> bool:
        """True if a tombstone stands for this file."""
        if not self.forgotten:
            return False
        return any(codec.transcript_id(name, host, root.folder, path) in self.forgotten for name in _names(root))


def _names(root: sources.Root) -> list[str]:
    """The sources that a file below a root may have."""
    return [*([root.source] if root.source != sources.AUTO else sources.BY_NAME), sources.ATTACHMENT]


async def load(bus: Bus, edge: str = "") -> Positions:
    """Reads the log's last message of every subject: those of one edge, or those of all watchers beside the server.
    Raises Transient when the bus fails meanwhile."""
    positions = Positions()
    which = Selection(filters=[subjects.changed_at(edge)], last=True, headers=True)
    unclear = []
    async with aclosing(streams.read(bus, topology.TRANSCRIPTS.name, which)) as messages:
        async for message, _ in messages:
            if subjects.edge_of(message.subject) != edge:  # what an edge says of its position holds for nobody else
                continue
            if checkpoint := _checkpoint(message):
                positions.add(subjects.source_and_transcript(message.subject)[0], checkpoint)
            else:
                unclear.append(message.subject)
    for subject in unclear:
        if checkpoint := await _before(bus, subject):
            positions.add(subjects.source_and_transcript(subject)[0], checkpoint)
        else:
            log.error("segment without a checkpoint", subject=subject)
    positions.forgotten = await forgotten(bus, edge)
    return positions


def _checkpoint(message: Msg) -> Checkpoint | None:
    """Of the transcript that the subject names."""
    try:
        checkpoint = codec.decode_checkpoint((message.headers or {})[codec.CHECKPOINT_HEADER])
    except (KeyError, msgspec.DecodeError, msgspec.ValidationError):
        return None
    return checkpoint if codec.is_subject_of(message.subject, checkpoint) else None


async def _before(bus: Bus, subject: str) -> Checkpoint | None:
    """The last one before what came under this subject and is no segment: an answer of the server that somebody had
    sent here."""
    which = Selection(filters=[subject], headers=True)
    found = [_checkpoint(message) async for message, _ in streams.read(bus, topology.TRANSCRIPTS.name, which)]
    return next((checkpoint for checkpoint in reversed(found) if checkpoint), None)


async def forgotten(bus: Bus, edge: str = "") -> set[str]:
    """Transcripts with a tombstone. Raises Transient when the bus fails meanwhile."""
    which = Selection(filters=[subjects.forgotten_at(edge)])
    laid = [message async for message, _ in streams.read(bus, topology.TRANSCRIPTS.name, which)]
    return {name for message in laid if (name := codec.tombstone(message.subject, message.data))}
