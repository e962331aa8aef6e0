"""Checkpoints in memory say what those of the log say."""

from __future__ import annotations

import hashlib
import tracemalloc
import uuid

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client as NatsClient

from mnemostream.contracts import codec, sources, subjects
from mnemostream.contracts.sources import Root
from mnemostream.contracts.transcripts import Checkpoint
from mnemostream.runtime.connection.client import Client
from mnemostream.services.watcher.catalog import Positions
from mnemostream.services.watcher.checkpoints import lies_in, packed, reached, unpacked
from mnemostream.services.watcher.files.tracked import TrackedFile

WRITTEN = st.integers().map(lambda number: hashlib.sha256(str(number).encode()).hexdigest())
DIGESTS = WRITTEN | WRITTEN.map(str.upper) | WRITTEN.map(lambda text: f" {text}") | st.text(max_size=70)
TIMES = st.integers(-(1 << 63), (1 << 64) - 1)
PLACE = st.binary(min_size=6, max_size=6).map(bytes.hex)
PLACES = st.just("") | PLACE | PLACE.map(str.upper) | st.text(max_size=13)


@given(
    st.builds(
        Checkpoint,
        transcript=st.text(max_size=20),
        generation=st.integers(0, 1 << 63),
        end=st.integers(0, 1 << 63),
        line_start=st.integers(0, 1 << 40),
        sha256=DIGESTS,
        head=DIGESTS,
        tail=DIGESTS,
        mtime_ns=TIMES,
        ctime_ns=TIMES,
        unproven=st.booleans(),
        replaced=st.booleans(),
        lineage=st.none() | st.integers(0, 1 << 63),
        place=PLACES,
    )
)
def test_a_checkpoint_comes_back_but_for_its_tail(checkpoint: Checkpoint) -> None:
    """Also one with values that no watcher of ours writes."""
    kept = packed(checkpoint)
    back = unpacked(kept, checkpoint.transcript)
    assert back == msgspec.structs.replace(checkpoint, tail="")
    assert reached(kept) == (checkpoint.generation, checkpoint.end)


def test_what_a_watcher_writes_takes_few_bytes_and_is_found_by_its_place() -> None:
    place = codec.place("laptop", "/home/me/.claude")
    checkpoint = Checkpoint(
        "t", 3, 5_000_000_000, 7, "ab" * 32, "cd" * 32, "ef" * 32, 1_700_000_000 * 10**9, place=place
    )
    kept = packed(checkpoint)
    assert len(kept) <= 140
    assert lies_in(kept, {bytes.fromhex(place)})
    assert not lies_in(kept, {bytes(6)})
    assert not lies_in(packed(msgspec.structs.replace(checkpoint, place="")), {bytes(6)})
    assert reached(b"") == (0, 0)


def test_a_position_is_taken_once_and_one_that_is_forgotten_never() -> None:
    root = Root("/home/me/.claude/projects", "claude-code")
    positions = Positions()
    names = [codec.transcript_id("claude-code", "laptop", root.folder, f"p/{number}.jsonl") for number in range(3)]
    for number, name in enumerate(names):
        place = codec.place("laptop", root.folder)
        positions.add("claude-code", Checkpoint(name, 0, 10 + number, 0, "ab" * 32, "cd" * 32, "", 1, place=place))
    assert (len(positions), positions.left_of(root, "laptop"), positions.left_of(root, "other")) == (3, 3, 0)
    source, name, kept = positions.take(root, "p/1.jsonl", "laptop")
    assert (source, name, reached(kept)) == ("claude-code", names[1], (0, 11))
    assert positions.take(root, "p/1.jsonl", "laptop") == ("claude-code", "", b"")
    assert positions.published() == {"claude-code": 10 + 12}
    assert positions.drop(names[2]) == ("claude-code", 12)
    assert positions.drop(names[2]) == ("", 0)
    assert [left for _, left, _ in positions] == [names[0]]


def test_the_names_of_sources_are_tokens_of_subjects() -> None:
    """Positions are found by the source that the subject names."""
    assert [
        name for name in [*sources.BY_NAME, sources.ATTACHMENT, sources.CANARY] if subjects.token(name) != name
    ] == []


PIECES = [b"Nats-Msg-Id", b": ", b":", b" ", b"\t", b"\x1c", b"a", "\xe9".encode(), b"\r\n", b"\xff"]


@given(st.binary(max_size=60) | st.lists(st.sampled_from(PIECES)).map(b"".join))
def test_headers_are_what_the_library_reads(raw: bytes) -> None:
    assert Client._parse_header_lines(raw) == NatsClient._parse_header_lines(raw)


def test_a_file_at_rest_takes_less_than_a_kilobyte_of_memory() -> None:
    """A hundred thousand of them are held at once; whole checkpoints and positions by transcript took two."""
    root, count = Root("/home/me/.claude/projects", "claude-code"), 2000
    paths = [f"-home-me-project-{number % 50}/{uuid.UUID(int=number)}.jsonl" for number in range(count)]
    place = codec.place("laptop", root.folder)
    tracemalloc.start()
    try:
        positions = Positions()
        for number, path in enumerate(paths):
            name = codec.transcript_id("claude-code", "laptop", root.folder, path)
            digest = hashlib.sha256(path.encode()).hexdigest()
            times = 1_700_000_000 * 10**9 + number
            positions.add(
                "claude-code",
                Checkpoint(name, 0, 3000 + number, 3000 + number, digest, digest, digest, times, times, place=place),
            )
        known = {path: TrackedFile(root, path, *positions.take(root, path, "laptop")) for path in paths}
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(positions) == 0
    assert all(one.captured == one.size == one.stored_end for one in known.values())
    assert held / count < 1000
