"""An archive to prove, and ways to damage it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import zstandard

from mnemostream.archive.copies import Archive, Segment, decoded
from mnemostream.archive.proof.verify import Report, Scope, verify
from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.sources import Root
from mnemostream.contracts.transcripts import TranscriptChanged
from mnemostream.runtime.bus import Message
from tests.conftest import answer, jsonl, prompt

Range = tuple[int, int]


class Victim:
    """One transcript with five segments, about to be harmed."""

    def __init__(self, archive: Archive, file: Path, transcript: str, segments: list[Segment]) -> None:
        self.archive = archive
        self.file = file
        self.id = transcript
        self.segments = segments
        self.size = file.stat().st_size

    async def sql(self, statement: str, *args: object) -> None:
        await self.archive.database.execute(statement, self.id, *args)

    async def messages(self) -> list[tuple[int, TranscriptChanged]]:
        """Sequences and events of this transcript in the log."""
        filters = [subjects.changed("claude-code", self.id)]
        found = []
        async for message in self.archive.messages(filters):
            event = decoded(message)
            assert isinstance(event, TranscriptChanged)
            found.append((message.metadata.sequence.stream, event))
        return found

    async def set_data(self, number: int, data: bytes) -> None:
        start = self.segments[number].start
        await self.sql("update segments set data = $2 where transcript_id = $1 and start_offset = $3", data, start)


DELETE = "delete from segments where transcript_id = $1 and start_offset = $2"


async def a_segment_is_deleted(v: Victim) -> tuple[str, Range]:
    await v.sql(DELETE, v.segments[2].start)
    return "database", (v.segments[2].start, v.segments[2].end)


async def the_last_segment_is_deleted(v: Victim) -> tuple[str, Range]:
    await v.sql(DELETE, v.segments[-1].start)
    return "database", (v.segments[-1].start, v.size)


async def one_byte_is_another(v: Victim) -> tuple[str, Range]:
    data = bytearray(v.segments[1].bytes())
    data[17] ^= 1
    await v.set_data(1, zstandard.compress(bytes(data)))
    at = v.segments[1].start + 17
    return "database", (at, at + 1)


async def a_segment_cannot_be_decompressed(v: Victim) -> tuple[str, Range]:
    await v.set_data(3, b"\x28\xb5\x2f\xfdnonsense")
    return "database", (v.segments[3].start, v.segments[3].end)


async def a_segment_is_cut_short(v: Victim) -> tuple[str, Range]:
    await v.set_data(1, zstandard.compress(v.segments[1].bytes()[:-5]))
    return "database", (v.segments[1].start, v.segments[1].end)


async def two_segments_are_exchanged(v: Victim) -> tuple[str, Range]:
    await v.set_data(1, v.segments[2].data)
    await v.set_data(2, v.segments[1].data)
    return "database", (v.segments[1].start, v.segments[2].end)


async def an_offset_is_wrong(v: Victim) -> tuple[str, Range]:
    await v.sql(
        "update segments set end_offset = end_offset - 3 where transcript_id = $1 and start_offset = $2",
        v.segments[2].start,
    )
    return "database", (v.segments[2].start, v.segments[2].end)


async def a_checksum_is_wrong(v: Victim) -> tuple[str, Range]:
    await v.sql("update segments set sha256 = sha256('') where transcript_id = $1 and start_offset = $2",
                v.segments[1].start)  # fmt: skip
    return "database", (v.segments[1].start, v.segments[1].end)


async def all_of_it_is_gone(v: Victim) -> tuple[str, Range]:
    for table in ("segments", "records", "transcripts"):
        await v.sql(f"delete from {table} where transcript_id = $1")
    return "database", (0, v.size)


async def a_record_is_gone(v: Victim) -> tuple[str, Range]:
    await v.sql("delete from records where transcript_id = $1 and byte_offset = $2", v.segments[2].start)
    return "records", (v.segments[2].start, v.segments[2].start)


async def a_record_says_something_else(v: Victim) -> tuple[str, Range]:
    await v.sql("update records set body = 'never' where transcript_id = $1 and byte_offset = $2", v.segments[1].start)
    return "records", (v.segments[1].start, v.segments[1].start)


async def a_record_was_invented(v: Victim) -> tuple[str, Range]:
    await v.sql(
        "insert into records select transcript_id, generation, 'forged', block, part, byte_offset, kind, role, "
        "exchange_id, occurred_at, cwd, body, text_sha, tool, tool_input from records "
        "where transcript_id = $1 and byte_offset = $2",
        v.segments[3].start,
    )
    return "records", (v.segments[3].start, v.segments[3].start)


async def a_message_is_deleted(v: Victim) -> tuple[str, Range]:
    sequence, event = (await v.messages())[2]
    await v.archive.nats.stream.delete_msg(topology.TRANSCRIPTS.name, sequence)
    return "log", (event.start, event.end)


async def the_last_message_is_deleted(v: Victim) -> tuple[str, Range]:
    sequence, event = (await v.messages())[-1]
    await v.archive.nats.stream.delete_msg(topology.TRANSCRIPTS.name, sequence)
    return "log", (event.start, v.size)


async def the_subject_is_purged(v: Victim) -> tuple[str, Range]:
    subject = subjects.changed("claude-code", v.id)
    await v.archive.nats.stream.purge_stream(topology.TRANSCRIPTS.name, subject=subject)
    return "log", (0, v.size)


async def a_message_was_forged(v: Victim) -> tuple[str, Range]:
    _, event = (await v.messages())[2]
    data = bytearray(zstandard.decompress(event.data))
    data[5] ^= 1
    forged = msgspec.structs.replace(event, data=zstandard.compress(bytes(data)), sha256="0" * 64)
    subject = subjects.changed("claude-code", v.id)
    await v.archive.nats.publish(Message(subject, codec.encode(forged), "forged"))
    return "log", (event.start + 5, event.start + 6)


DAMAGES: list[Callable[[Victim], Awaitable[tuple[str, Range]]]] = [
    a_segment_is_deleted,
    the_last_segment_is_deleted,
    one_byte_is_another,
    a_segment_cannot_be_decompressed,
    a_segment_is_cut_short,
    two_segments_are_exchanged,
    an_offset_is_wrong,
    a_checksum_is_wrong,
    all_of_it_is_gone,
    a_record_is_gone,
    a_record_says_something_else,
    a_record_was_invented,
    a_message_is_deleted,
    the_last_message_is_deleted,
    the_subject_is_purged,
    a_message_was_forged,
]


def write(file: Path, seed: str, exchanges: int = 5) -> None:
    """A transcript with one exchange a segment."""
    pairs = [(prompt(f"{seed} {n} " + "why " * 30, f"{seed}-{n}"), answer("x" * 60)) for n in range(exchanges)]
    file.write_bytes(b"".join(jsonl(*pair) for pair in pairs))


async def proof(kept: Archive, root: Path, *, archived: bool = False) -> Report:
    return await verify(kept, Scope([Root(str(root), "claude-code")], archived), lambda *_: None)
