"""Checkpoints as the watcher keeps them in memory, one of every file: some 180 bytes instead of 900. Pure."""

from __future__ import annotations

import struct

import msgspec

from mnemostream.contracts.transcripts import Checkpoint

_FORM = struct.Struct("<xBqqqqqIqI32s32s6s")
"""A zero, flags, end, generation, start of the line, lineage, times of content and inode (s, ns), hashes, place."""
_UNPROVEN, _REPLACED, _LINEAGE, _PLACE = 1, 2, 4, 8
_SECOND = 10**9
_others = msgspec.json.Decoder(Checkpoint)


def packed(checkpoint: Checkpoint) -> bytes:
    """A checkpoint in few bytes. Of its fields `transcript` and `tail` are left out."""
    flags = _UNPROVEN * checkpoint.unproven | _REPLACED * checkpoint.replaced
    flags |= _LINEAGE * (checkpoint.lineage is not None) | _PLACE * bool(checkpoint.place)
    try:
        texts = checkpoint.sha256, checkpoint.head, checkpoint.place
        *digests, place = (bytes.fromhex(text) for text in texts)
        if [len(digest) for digest in digests] != [32, 32] or len(place) not in (0, 6):
            raise ValueError("no digests")
        if (digests[0].hex(), digests[1].hex(), place.hex()) != texts:
            raise ValueError("not as we write them")
        return _FORM.pack(
            flags,
            checkpoint.end,
            checkpoint.generation,
            checkpoint.line_start,
            checkpoint.lineage or 0,
            *divmod(checkpoint.mtime_ns, _SECOND),
            *divmod(checkpoint.ctime_ns, _SECOND),
            *digests,
            place,
        )
    except (ValueError, struct.error):  # written by somebody else: kept as it is
        return msgspec.json.encode(msgspec.structs.replace(checkpoint, tail=""))


def unpacked(kept: bytes, transcript: str = "") -> Checkpoint:
    """The checkpoint of a transcript; its `tail` is ""."""
    if kept[0]:
        return msgspec.structs.replace(_others.decode(kept), transcript=transcript)
    flags, end, generation, line_start, lineage, mtime, mtime_ns, ctime, ctime_ns, sha256, head, place = _FORM.unpack(
        kept
    )
    return Checkpoint(
        transcript=transcript,
        generation=generation,
        end=end,
        line_start=line_start,
        sha256=sha256.hex(),
        head=head.hex(),
        tail="",
        mtime_ns=mtime * _SECOND + mtime_ns,
        ctime_ns=ctime * _SECOND + ctime_ns,
        unproven=bool(flags & _UNPROVEN),
        replaced=bool(flags & _REPLACED),
        lineage=lineage if flags & _LINEAGE else None,
        place=place.hex() if flags & _PLACE else "",
    )


_REACHED = struct.Struct("<qq")


def reached(kept: bytes) -> tuple[int, int]:
    """Generation and end; (0, 0) of nothing."""
    if not kept:
        return 0, 0
    if kept[0]:
        other = _others.decode(kept)
        return other.generation, other.end
    end, generation = _REACHED.unpack_from(kept, 2)
    return generation, end


def lies_in(kept: bytes, places: set[bytes]) -> bool:
    """True if the place of the transcript is one of these, each in bytes."""
    return not kept[0] and bool(kept[1] & _PLACE) and kept[-6:] in places
