"""Compressed transcripts: what was whole is whole, what was cut is told, nothing that is not there is read."""

from __future__ import annotations

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from mnemostream.runtime.disk.packed import Damaged, unpacked

CONTENTS = st.one_of(st.binary(max_size=3000), st.binary(min_size=1, max_size=9).map(lambda data: data * 400))


def _frames(contents: list[bytes], level: int, *, stream: bool) -> list[bytes]:
    """One frame each; as a stream, without the size of the content."""
    packers = [zstandard.ZstdCompressor(level=level) for _ in contents]
    if not stream:
        return [packer.compress(content) for packer, content in zip(packers, contents, strict=True)]
    return [
        (flow := packer.compressobj()).compress(content) + flow.flush()
        for packer, content in zip(packers, contents, strict=True)
    ]


@settings(deadline=None)
@given(
    contents=st.lists(CONTENTS, min_size=1, max_size=3),
    level=st.sampled_from([1, 3, 19]),
    stream=st.booleans(),
    piece=st.integers(1, 500),
    cut=st.integers(0, 4000),
)
def test_a_cut_is_told_and_what_is_before_it_is_read(
    contents: list[bytes], level: int, stream: bool, piece: int, cut: int
) -> None:
    frames = _frames(contents, level, stream=stream)
    data = b"".join(frames)
    pieces = [data[at : at + piece] for at in range(0, len(data), piece)]
    assert b"".join(unpacked(pieces)) == b"".join(contents)
    torn = data[: cut % len(data)]
    whole = [len(b"".join(frames[:number])) for number in range(len(frames) + 1)]
    if len(torn) in whole:
        assert b"".join(contents).startswith(b"".join(unpacked([torn])))
        return
    found: list[bytes] = []
    with pytest.raises(Damaged):
        found.extend(unpacked([torn]))
    assert b"".join(contents).startswith(b"".join(found))
