"""A document that is saved again and again: what a save has in common with the one before. Pure.

bytes      blocks of 512 are compared by their digests; a new generation begins where the first one differs
records    those that the log holds already are not sent again, as long as none of them has vanished or moved
"""

from __future__ import annotations

import hashlib

import msgspec

from mnemostream.contracts.transcripts import Record

BLOCK = 512
DIGEST = 16
"""Bytes of BLAKE2b: two blocks with the same digest are the same."""
MOST_BLOCKS = 1 << 16
"""What lies beyond (32 MB) is sent with each save."""


class Blocks:
    """Digests of what was captured, fed in pieces of any size."""

    def __init__(self) -> None:
        self.digests = bytearray()
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """The next bytes."""
        if len(self.digests) >= MOST_BLOCKS * DIGEST:
            return
        data = self._rest + data
        stop = len(data) - len(data) % BLOCK
        self.digests += b"".join(_digest(data[at : at + BLOCK]) for at in range(0, stop, BLOCK))
        self._rest = data[stop:]

    def shared(self, number: int, data: bytes) -> int:
        """How many bytes of `data`, which begins with block `number`, are as they were: up to the first block that
        differs."""
        for at in range(0, len(data) - len(data) % BLOCK, BLOCK):
            place = (number + at // BLOCK) * DIGEST
            if self.digests[place : place + DIGEST] != _digest(data[at : at + BLOCK]):
                return at
        return len(data) - len(data) % BLOCK


def _digest(block: bytes) -> bytes:
    return hashlib.blake2b(block, digest_size=DIGEST).digest()


Key = tuple[str, int, int]
"""ID, block and part of a record."""


class _Sent(msgspec.Struct, frozen=True):
    place: tuple[int, str]
    """Offset and exchange."""
    digest: bytes
    revision: int


class Sent:
    """The records of a document that the log holds, and the generation under which they are kept."""

    def __init__(self) -> None:
        self.lineage = 0
        self._records: dict[Key, _Sent] = {}

    def __bool__(self) -> bool:
        return bool(self._records)

    def news(self, records: list[Record], generation: int) -> list[Record]:
        """Those of a save that the log lacks. Where a record has vanished, moved, or changed its exchange, a new
        lineage begins with all of them: in one lineage nothing is taken back."""
        latest: dict[Key, Record] = {}
        for record in records:  # the order in which the writer prefers one of two
            key = (record.id, record.block, record.part)
            if key not in latest or (record.revision, -record.offset) > (latest[key].revision, -latest[key].offset):
                latest[key] = record
        if any(key not in latest or _place(latest[key]) != sent.place for key, sent in self._records.items()):
            self._records = {}
        if not self._records:
            self.lineage = generation
        return [news for key, record in latest.items() if (news := self._new(key, record))]

    def _new(self, key: Key, record: Record) -> Record | None:
        plain = msgspec.structs.replace(record, revision=0)
        digest = hashlib.blake2b(msgspec.json.encode(plain), digest_size=DIGEST).digest()
        sent = self._records.get(key)
        if sent and sent.digest == digest:
            return None
        revision = max(record.revision, sent.revision + 1) if sent else record.revision
        self._records[key] = _Sent(_place(record), digest, revision)
        return msgspec.structs.replace(record, revision=revision)


def _place(record: Record) -> tuple[int, str]:
    return record.offset, record.exchange_id


class Save:
    """What is remembered of the last save of a document, for the next one."""

    def __init__(self, sent: Sent | None = None, depth: int = 0) -> None:
        self.blocks = Blocks()
        self.sent = sent or Sent()
        self.depth = depth
        """Generations with a base up to this one, in a row."""
