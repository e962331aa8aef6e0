"""Positions from the log: the last checkpoint of every transcript, and the tombstones; headers only.

The log is the only memory of the watcher. Losing its machine loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from nats.aio.msg import Msg

from mnemostream.contracts import codec, sources, subjects, topology
from mnemostream.contracts.transcripts import Checkpoint
from mnemostream.runtime import streams
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.logs import Log
from mnemostream.runtime.streams import Selection

log = Log("mnemo.catalog")


class Positions:
    """What the log knows: where capture stands by transcript id, and what was forgotten."""

    def __init__(self) -> None:
        self.checkpoints: dict[str, Checkpoint] = {}
        self.sources: dict[str, str] = {}
        """Source of each transcript; its checkpoint may have been taken already."""
        self.forgotten: set[str] = set()

    def take(self, root: sources.Root, path: str, host: str) -> tuple[str, Checkpoint | None]:
        """Source ("" = not known to the log) and checkpoint of a file; the checkpoint leaves the catalog."""
        for name in _names(root):
            transcript = codec.transcript_id(name, host, root.folder, path)
            if transcript in self.checkpoints:
                return name, self.checkpoints.pop(transcript)
        return ("" if root.source == sources.AUTO else root.source), None

    def left_of(self, root: sources.Root, host: str) -> int:
        """Transcripts that the log holds from below a root, and no file was seen of."""
        return self.left_below([root], host)

    def left_below(self, roots: Iterable[sources.Root], host: str) -> int:
        """The same, of several roots."""
        places = {codec.place(host, root.folder) for root in roots}
        return sum(1 for one in self.checkpoints.values() if one.place in places)

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
    for message in await _last(bus, subjects.changed_at(edge)):
        if subjects.edge_of(message.subject) != edge:  # what an edge says of its position holds for nobody else
            continue
        source, _ = subjects.source_and_transcript(message.subject)
        checkpoint = _checkpoint(message) or await _before(bus, message.subject)
        if checkpoint is None:
            log.error("segment without a checkpoint", subject=message.subject)
            continue
        positions.checkpoints[checkpoint.transcript] = checkpoint
        positions.sources[checkpoint.transcript] = source
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


def reached(checkpoint: Checkpoint | None) -> tuple[int, int]:
    """Generation and end that the log holds."""
    return (checkpoint.generation, checkpoint.end) if checkpoint else (0, 0)


async def forgotten(bus: Bus, edge: str = "") -> set[str]:
    """Transcripts with a tombstone. Raises Transient when the bus fails meanwhile."""
    which = Selection(filters=[subjects.forgotten_at(edge)])
    laid = [message async for message, _ in streams.read(bus, topology.TRANSCRIPTS.name, which)]
    return {name for message in laid if (name := codec.tombstone(message.subject, message.data))}


async def _last(bus: Bus, subject: str) -> list[Msg]:
    which = Selection(filters=[subject], last=True, headers=True)
    return [message async for message, _ in streams.read(bus, topology.TRANSCRIPTS.name, which)]
