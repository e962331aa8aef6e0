"""Pieces of backups: nothing is lost where a stream is cut, framed, or stored; equal content is stored once."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnemostream.archive.backup import frames, pieces
from mnemostream.archive.backup.book import SUFFIX
from mnemostream.archive.backup.store import YOUNG_SECONDS, Store
from mnemostream.local.backup.schedule import Schedule
from mnemostream.runtime.errors import Misconfigured

SOME = random.Random(7).randbytes(3 << 20)


async def _chunks(content: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def cut(content: bytes, size: int = 500_000) -> list[bytes]:
    async def all_of_them() -> list[bytes]:
        return [piece async for piece in pieces.cut(_chunks(content, size))]

    return asyncio.run(all_of_them())


def decoded(content: bytes, size: int) -> bytes:
    async def whole() -> bytes:
        return b"".join([part async for part in frames.decoded(_chunks(content, size))])

    return asyncio.run(whole())


@given(st.binary(max_size=5000), st.integers(1, 700))
def test_what_is_framed_is_decoded_however_it_arrives(content: bytes, size: int) -> None:
    assert decoded(frames.STREAM + frames.framed(content), size) == content


@settings(deadline=None)
@given(st.lists(st.tuples(st.binary(min_size=1, max_size=70), st.integers(1, 60), st.integers(0, 40)), max_size=40))
def test_literals_and_copies_are_read_as_they_are_written(parts: list[tuple[bytes, int, int]]) -> None:
    """Blocks of random tags, of each form; the expected text is made beside."""
    block, text = bytearray(), bytearray()
    for literal, count, back in parts:
        block += bytes([60 << 2, len(literal) - 1]) if len(literal) > 60 else bytes([len(literal) - 1 << 2])
        block += literal
        text += literal
        offset = back % len(text) + 1
        for _ in range(count):
            text.append(text[-offset])
        block += bytes([count - 1 << 2 | 2, offset & 255, offset >> 8])
        for _ in range(8):  # the short form with offset 0 repeats the last offset; 4 + 4 bytes
            text.append(text[-offset])
        block += bytes([4 << 2 | 1, 0])
    size, length = len(text), bytearray()
    while True:
        length.append(size & 127 | (128 if size > 127 else 0))
        size >>= 7
        if not size:
            break
    assert frames.block(bytes(length + block)) == bytes(text)


@pytest.mark.parametrize(("code", "least", "width"), [(5, 4, 1), (6, 1 << 8, 2), (7, 1 << 16, 3)])
def test_a_repeated_offset_may_be_long(code: int, least: int, width: int) -> None:
    text = b"abc" + b"abca" + (b"bca" * (least + 9))[: least + 7 + 4]
    block = bytes([2 << 2]) + b"abc" + bytes([3 << 2 | 2, 3, 0, code << 2 | 1, 0]) + (7).to_bytes(width, "little")
    size = len(text)
    length = bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14])
    assert frames.block(length + block) == text


@pytest.mark.parametrize("at", [15, 30, 45])
def test_a_damaged_frame_is_told(at: int) -> None:
    whole = bytearray(frames.STREAM + frames.framed(b"some content that is framed, and more of it"))
    whole[at] ^= 1
    with pytest.raises(frames.BadFrame):
        decoded(bytes(whole), 100)
    with pytest.raises(frames.BadFrame):
        decoded(bytes(whole[:-1]), 100)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, len(SOME)), st.binary(max_size=3000), st.integers(1000, 900_000))
def test_a_cut_stream_is_whole_and_a_change_changes_few_pieces(at: int, more: bytes, size: int) -> None:
    before, changed = cut(SOME), SOME[:at] + more + SOME[at:]
    after = cut(changed, size)
    assert b"".join(after) == changed
    assert max(map(len, after)) <= pieces.MOST
    new = [piece for piece in after if piece not in set(before)]
    assert sum(map(len, new)) <= 2 * pieces.MOST + len(more)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_a_piece_is_stored_once_and_mended(store: Store) -> None:
    name = store.put(b"content" * 100)
    first = store.new_bytes
    assert store.put(b"content" * 100) == name
    assert store.new_bytes == first
    [file] = store.folder.rglob("*.zst")
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(ValueError, match="is damaged"):
        store.get(name)
    assert store.put(b"content" * 100) == name
    assert store.get(name) == b"content" * 100
    assert file.stat().st_mode & 0o777 == 0o600


def test_pieces_that_nobody_needs_go_when_they_are_old(store: Store) -> None:
    used, unused, young = (store.put(text) for text in (b"a", b"b", b"c"))
    for name in (used, unused):
        os.utime(store._file(name), (1000, 1000))
    os.utime(store._file(young), (5000, 5000))
    assert store.sweep({used}, 1000 + YOUNG_SECONDS + 1) == 1
    assert [store._file(name).exists() for name in (used, unused, young)] == [True, False, True]


def test_nothing_but_pieces_is_swept_and_nothing_where_a_backup_is_not_understood(tmp_path: Path) -> None:
    plan, store = Schedule(tmp_path, 24.0, 7, "here"), Store(tmp_path)
    name = store.put(b"of a later version's backup")
    for file in (store.folder / "bk" / "x.png", store.folder / name[:2] / "mine.zst", store._file(name)):
        file.parent.mkdir(exist_ok=True)
        file.touch()
        os.utime(file, (1000, 1000))
    (tmp_path / "mnemostream-there-2026-01-01T000000Z.mnemo-backup").write_text('{"format": 99}')
    with pytest.raises(Misconfigured, match="later version"):
        plan.prune(9e9)
    assert store.get(name)
    (tmp_path / "mnemostream-there-2026-01-01T000000Z.mnemo-backup").unlink()
    plan.prune(9e9)
    left = sorted(str(file.relative_to(store.folder)) for file in store.folder.rglob("*") if file.is_file())
    assert left == sorted(["bk/x.png", f"{name[:2]}/mine.zst"])


def test_what_others_are_making_is_left(tmp_path: Path) -> None:
    plan = Schedule(tmp_path, 24.0, 7, "laptop")
    mine, other = (f".mnemostream-{host}-2026-01-01T000000Z{SUFFIX}.partial" for host in ("laptop", "laptop-3f2a"))
    for name in (mine, other):
        (tmp_path / name).touch()
    plan.tidy()
    assert [file.name for file in tmp_path.iterdir()] == [other]
