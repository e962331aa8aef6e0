"""Where streams of a backup are cut: the pieces are the stream, and what is added moves few of the cuts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnemostream.archive.backup import pieces

MIB = 1 << 20


def cut(content: bytes, step: int = MIB) -> list[bytes]:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), step):
            yield content[start : start + step]

    async def collected() -> list[bytes]:
        return [piece async for piece in pieces.cut(chunks())]

    return asyncio.run(collected())


def made(kind: str, size: int) -> bytes:
    rng = random.Random(7)
    if kind == "compressed":
        return rng.randbytes(size)
    if kind == "hexadecimal":
        return rng.randbytes(size // 2).hex().encode()
    words = [bytes(rng.choices(b"etaoinshrdlucmfgyp,.7 ", k=rng.randint(2, 9))) for _ in range(5000)]
    return b" ".join(rng.choices(words, k=size // 6))[:size]


@pytest.mark.parametrize("kind", ["compressed", "hexadecimal", "text"])
def test_what_is_added_changes_the_pieces_around_it_alone(kind: str) -> None:
    content = made(kind, 24 * MIB)
    before = cut(content)
    assert b"".join(before) == content
    assert all(pieces.LEAST <= len(piece) <= pieces.MOST for piece in before[:-1])
    assert len(before) > 20
    after = cut(b"new" + content[: 9 * MIB] + b"and more" * 999 + content[9 * MIB :])
    kept = sum(len(piece) for piece in set(before) & set(after))
    assert kept > 0.7 * len(content)


@settings(max_examples=30)
@given(
    part=st.binary(max_size=300),
    times=st.integers(0, 40_000),
    step=st.sampled_from([1000, 65_536, MIB, 5 * MIB]),
)
def test_any_stream_comes_back_and_its_chunks_do_not_matter(part: bytes, times: int, step: int) -> None:
    content = (part * times)[: 6 * MIB]
    found = cut(content, step)
    assert b"".join(found) == content
    assert found == cut(content, 3 * MIB)
    assert all(0 < len(piece) <= pieces.MOST for piece in found)
