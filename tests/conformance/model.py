"""A watcher against a disk that does everything a disk can do, and a bus that fails in every way. One case, one seed.

The oracle: at rest, the newest generation of every file that is there equals the file, byte for byte, each
generation is contiguous and its checksums are right, and the records are those of one reading of the whole file.
"""

# long file: one model: the stories of a file, and what must hold after each

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import zstandard

from mnemostream.contracts.events import Stage
from mnemostream.contracts.sources import Root
from mnemostream.contracts.transcripts import Record, TranscriptChanged
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.heartbeat import Beat
from mnemostream.services.watcher.capture import Capture
from mnemostream.services.watcher.files.identify import HEAD
from mnemostream.services.watcher.formats import identify
from mnemostream.services.watcher.parsing.units import FileOrigin, Unit, parse
from mnemostream.services.watcher.settings import Settings
from tests.conftest import answer, jsonl, prompt
from tests.doubles import Faults, Killed, MemoryLog


class Clock(SystemClock):
    """The machine's clock, set forward at will."""

    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


Key = tuple[str, int, str, int, int]


class Case:
    """One run of the model."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.root = folder / "root"
        self.away = folder / "away"
        self.root.mkdir(parents=True)
        self.log = MemoryLog(Faults(seed, 0.15))
        self.clock = Clock()
        self.segment = self.random.choice([40, 200, 1000, 100_000])
        self.capture = self._watcher()
        self.story: list[str] = []
        self.names = 0

    def _watcher(self) -> Capture:
        """A watcher that has just started: it knows what the log knows."""
        settings = Settings(host="h", segment_bytes=self.segment, settle_seconds=0.5)
        beat = Beat(Stage.WATCHER, "w", 5.0, self.clock)
        return Capture(self.log, settings, [Root(str(self.root), "claude-code")], self.log.positions(), beat)

    async def run(self) -> None:
        """Steps, then rest, then the oracle."""
        for _ in range(self.random.randrange(4, 16)):
            action = self.random.choice(self._actions())
            self.story.append(action.__name__)
            action()
            if self.random.random() < 0.7:
                await self._look()
            if self.random.random() < 0.15:
                self._restart()
        if self.away.exists():
            self.mount()
        self.log.faults.rate = 0.0
        for ahead in (1000.0, 2000.0):
            self.clock.ahead = ahead
            await self.capture.sweep(asyncio.Event())
            while self.capture.resting:
                self.clock.ahead += 10
                await self.capture.rest(asyncio.Event())
        self._close()

    async def _look(self) -> None:
        """A sweep, or a look at some hints, that may die at any publish."""
        try:
            if self.random.random() < 0.5:
                files = self._files()
                some = self.random.sample(files, self.random.randrange(len(files) + 1))
                self.capture.hints.add([str(file) for file in some])
                await self.capture.drain_hot(asyncio.Event())
                await self.capture.flush()
            else:
                await self.capture.sweep(asyncio.Event())
            if self.random.random() < 0.5:
                self.clock.ahead += 1
                await self.capture.rest(asyncio.Event())
        except Killed:
            self.story.append("KILLED")
            self._restart()

    def _restart(self) -> None:
        self._close()
        self.capture = self._watcher()

    def _close(self) -> None:
        for known in self.capture.registry:
            known.release()

    def _actions(self) -> list[Callable[[], None]]:
        actions: list[Callable[[], None]] = [self.create, self.create]
        if self.away.exists():
            return [*actions, self.mount, self.mount]
        if self._files():
            actions += [self.append] * 5
            actions += [self.rewrite, self.replace, self.same_size, self.same_prefix, self.truncate, self.regrow]
            actions += [self.rename, self.copy, self.link, self.delete, self.touch, self.delete_unread, self.unmount]
        return actions

    def _files(self) -> list[Path]:
        return sorted(self.root.rglob("*.jsonl")) if self.root.exists() else []

    def _file(self) -> Path:
        return self.random.choice(self._files())

    def _new(self) -> Path:
        self.names += 1
        folder = self.root / self.random.choice(["a", "b", "a/deep"])
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{self.names}.jsonl"

    def _content(self) -> bytes:
        lines = []
        for _ in range(self.random.randrange(5)):
            bits = self.random.getrandbits(128) if self.random.random() < 0.6 else self.random.randrange(4)
            name = str(uuid.UUID(int=bits))  # now and then one that was used before: a record is written again
            long = self.random.randrange(20_000) if self.random.random() < 0.1 else self.random.randrange(300)
            text = self.random.choice(["ok", 'é\u20ac\U0001f600 \\ "', "x" * long])
            lines.append(
                self.random.choice(
                    [
                        jsonl(prompt(text, name)),
                        json.dumps(answer(text, "two", name=name), ensure_ascii=False).encode() + b"\n",
                        b'{"type":"queue-operation","operation":"enqueue","content":"wait"}\n',
                        b'{"type":"queue-operation","operation":"remove"}\n',
                        jsonl(prompt(text, name)).rstrip() + jsonl(answer("spliced")),
                        b"\0\0\0\n",
                        b"\r\n",
                        b"\xff\xfe junk\n",
                        b'{"type":"user","message"\n',
                    ]
                )
            )
        return b"".join(lines)

    def _piece(self) -> bytes:
        data = self._content()
        how = self.random.random()
        if how < 0.15:  # a line without an id, complete but for its newline
            return data + b'{"type":"queue-operation","operation":"enqueue","content":"wait"}'
        if how < 0.3:
            return data.removesuffix(b"\n")
        return data[: self.random.randrange(len(data) + 1)] if how < 0.55 else data

    def create(self) -> None:
        if self.root.exists():
            self._new().write_bytes(self._piece())

    def append(self) -> None:
        with self._file().open("ab") as handle:
            handle.write(self._piece())

    def rewrite(self) -> None:
        self._file().write_bytes(self._piece())

    def replace(self) -> None:
        file = self._file()
        other = file.with_suffix(".tmp")
        other.write_bytes(self._piece())
        os.replace(other, file)

    def same_size(self) -> None:
        """In origin, same inode, same size, same modification time."""
        file = self._file()
        data = bytearray(file.read_bytes())
        if data:
            data[self.random.randrange(len(data))] ^= 1
            stat = file.stat()
            with file.open("r+b") as handle:
                handle.write(data)
            os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    def same_prefix(self) -> None:
        file = self._file()
        data = file.read_bytes()
        file.write_bytes(data[: self.random.randrange(len(data) + 1)] + self._content())

    def truncate(self) -> None:
        file = self._file()
        os.truncate(file, self.random.choice([0, self.random.randrange(file.stat().st_size + 1)]))

    def regrow(self) -> None:
        """Shorter, then longer than before, between two looks."""
        file = self._file()
        size = file.stat().st_size
        os.truncate(file, self.random.randrange(size + 1))
        with file.open("ab") as handle:
            handle.write(self._content() + b"x" * self.random.randrange(size + 1))

    def rename(self) -> None:
        self._file().rename(self._new())

    def copy(self) -> None:
        shutil.copy2(self._file(), self._new())

    def link(self) -> None:
        os.link(self._file(), self._new())

    def delete(self) -> None:
        self._file().unlink()

    def delete_unread(self) -> None:
        """Deleted right after something was written to it."""
        self.append()
        self._file().unlink()

    def touch(self) -> None:
        os.utime(self._file())

    def unmount(self) -> None:
        self.root.rename(self.away)

    def mount(self) -> None:
        if self.root.exists():
            shutil.rmtree(self.root)
        self.away.rename(self.root)

    # the oracle

    def check(self) -> tuple[int, dict[Key, str]]:
        """Files that were compared, and the text of every record that must be a row. Raises AssertionError."""
        events = self.log.events()
        pieces: dict[tuple[str, int], list[TranscriptChanged]] = {}
        for event in events:
            if event.end > event.start:
                pieces.setdefault((event.path, event.generation), []).append(event)
        whole = {key: self._joined(key, parts) for key, parts in pieces.items()}
        wanted: dict[Key, str] = {}
        files = [file for file in self._files() if file.stat().st_size]
        for file in files:
            path = file.relative_to(self.root).as_posix()
            newest = max((generation for name, generation in whole if name == path), default=-1)
            data = file.read_bytes()
            assert newest >= 0, f"{self}: {path} was not captured"
            assert whole[path, newest] == data, f"{self}: {path} differs"
            transcript = pieces[path, newest][0].transcript
            for record in self.reading(path, data):
                wanted[transcript, newest, record.id, record.block, record.part] = record.text
        return len(files), wanted

    def _joined(self, key: tuple[str, int], parts: list[TranscriptChanged]) -> bytes:
        """The bytes of a generation; a watcher that was killed may have cut them elsewhere the second time."""
        data = b""
        for part in sorted(parts, key=lambda one: (one.start, one.end)):
            piece = zstandard.decompress(part.data)
            assert part.start <= len(data), f"{self}: gap in {key} at {len(data)}"
            assert data[part.start : part.end] == piece[: len(data) - part.start], f"{self}: {key} disagrees"
            data = data[: part.start] + piece if part.end > len(data) else data
            assert hashlib.sha256(data[: part.end]).hexdigest() == part.sha256, f"{self}: checksum of {key}"
        return data

    @staticmethod
    def reading(path: str, data: bytes) -> list[Record]:
        """The records of one reading of a whole file; the first of equal ones holds."""
        found = identify(path, data[:HEAD], "claude-code", complete=len(data) <= HEAD)
        assert found is not None
        origin = FileOrigin("t", "h", "/r", path, found.format, found.format.context(path, found.first))
        first: dict[tuple[str, int, int], Record] = {}
        for record in parse([Unit(0, data)], origin, found.format.state())[0]:
            first.setdefault((record.id, record.block, record.part), record)
        return list(first.values())

    def __str__(self) -> str:
        return f"seed {self.seed} ({' '.join(self.story)})"
