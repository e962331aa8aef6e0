"""Services of two versions on one NATS and one PostgreSQL, what people write meanwhile, and the proof at the end."""

# long file: one system, what is done to it and what is asked of it

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import asyncpg
import pytest
from nats.js.errors import NotFoundError

from mnemostream.archive import copies, queries
from mnemostream.archive.proof.verify import Scope, verify
from mnemostream.contracts import codec, subjects, topology
from mnemostream.contracts.events import DeadLetter, Heartbeat, Phase, Stage
from mnemostream.contracts.sources import Root
from mnemostream.contracts.transcripts import TranscriptChanged
from mnemostream.local import endpoints
from mnemostream.local.child import Child, Spec, once, service_env
from mnemostream.local.nats_server import Nats
from mnemostream.local.postgres.server import Postgres
from mnemostream.local.secrets import Secrets
from mnemostream.runtime import bus
from mnemostream.runtime.process.command import python
from mnemostream.runtime.settings import joined
from tests.conftest import answer, eventually, jsonl, prompt, some_port
from tests.release.versions import RELEASED, sources

OLD_RELEASE = "0.1.0"
"""The last one that knows neither bases nor events of version 2."""
STAGES = (Stage.WRITER, Stage.EMBEDDER, Stage.WATCHER)
CONSUMERS = (topology.EMBEDDER, topology.WRITER_TRANSCRIPTS, topology.WRITER_EMBEDDINGS)
HASH = "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9"
HOST = "laptop"


def old_modules(place: Path) -> Path:
    """Where the modules of the old version are found; skips where they are not, or what they need is not here."""
    modules = sources(RELEASED[OLD_RELEASE], place)
    needed = ", ".join(f"mnemostream.services.{stage}.main" for stage in STAGES)
    tried = subprocess.run(
        [sys.executable, "-P", "-c", f"import {needed}"],
        env={**os.environ, "PYTHONPATH": str(modules)},
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode:
        pytest.skip(f"version {OLD_RELEASE} does not run with the packages that are here: {tried.stderr[-300:]}")
    return modules


class Lines:
    """A session of Claude Code: lines are appended."""

    def __init__(self, root: Path) -> None:
        self.file = root / "-home-dana" / f"{uuid.uuid4()}.jsonl"
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.texts: list[str] = []

    def say(self) -> str:
        """One exchange; the text that comes last."""
        texts = [f"{who} {len(self.texts)} {uuid.uuid4().hex}" for who in ("question", "answer")]
        with open(self.file, "ab") as file:
            file.write(jsonl(prompt(texts[0]), answer(texts[1])))
        self.texts += texts
        return texts[1]


class Document:
    """A session of Gemini CLI: the whole file is written again with each message."""

    def __init__(self, root: Path) -> None:
        self.file = root / HASH / "chats" / "session-2026-08-01T10-00-0a1b2c3d.json"
        self.file.parent.mkdir(parents=True)
        self.messages: list[dict[str, str]] = []

    def say(self) -> str:
        """One message more; its text."""
        text = f"said {len(self.messages)} {uuid.uuid4().hex} " * 30
        kind = {"type": "gemini", "model": "g"} if len(self.messages) % 2 else {"type": "user"}
        stamp = "2026-08-01T10:00:00.000Z"
        self.messages.append({"id": str(uuid.uuid4()), "timestamp": stamp, "content": text.strip(), **kind})
        facts = {"sessionId": "0a1b2c3d-1111-4222-8333-444455556666", "projectHash": HASH, "startTime": stamp}
        new = self.file.with_suffix(".tmp")
        new.write_text(json.dumps({**facts, "lastUpdated": stamp, "messages": self.messages}, indent=2))
        os.replace(new, self.file)
        return text.strip()


class Both:
    """Two servers, and services of either version."""

    def __init__(self, folder: Path, nats: Nats, postgres: Postgres, old: Path) -> None:
        self.folder = folder
        self.nats = nats
        self.postgres = postgres
        self.old = old
        self.children: dict[str, Child] = {}
        self.roots = [Root(str(folder / "claude"), "claude-code"), Root(str(folder / "gemini"), "gemini")]
        self.document = Document(folder / "gemini")
        self.lines = Lines(folder / "claude")

    # --- processes

    def _env(self, version: str, **own: str) -> dict[str, str]:
        quick = {"MNEMO_EMBEDDER_MODEL": "sleep", **own}
        return service_env({**quick, "PYTHONPATH": str(self.old)} if version == "old" else quick)

    def _spec(self, name: str, version: str, module: str, **own: str) -> Spec:
        log = self.folder / "logs" / f"{name}-{version}.log"
        return Spec(f"{name}-{version}", python(f"mnemostream.{module}"), self._env(version, **own), log)

    async def provision(self, version: str) -> None:
        """Streams and consumers, as that version wants them. Raises RuntimeError."""
        url = self.nats.own_url("operator")
        await once(self._spec("provision", version, "runtime.provision", MNEMO_NATS_URL=url))

    async def migrate(self, version: str) -> None:
        """The schema of that version. Raises RuntimeError."""
        secrets = self.postgres.secrets
        passwords = {"MNEMO_WRITER_PASSWORD": secrets.writer, "MNEMO_READER_PASSWORD": secrets.reader}
        dsn = self.postgres.dsn()
        await once(self._spec("migrate", version, "services.writer.migrate", MNEMO_POSTGRES_DSN=dsn, **passwords))

    async def start(self, version: str, *stages: Stage) -> None:
        """Services of that version."""
        for stage in stages:
            own = {"MNEMO_NATS_URL": self.nats.own_url(stage), "MNEMO_INSTANCE": f"{stage}-{version}"}
            own |= {"MNEMO_PARENT_PID": str(os.getpid()), "MNEMO_HEARTBEAT_SECONDS": "0.5"}
            if stage is Stage.WRITER:
                own["MNEMO_POSTGRES_DSN"] = self.postgres.dsn("mnemo_writer")
            if stage is Stage.EMBEDDER:
                own["MNEMO_EMBEDDER_SLEEP_SECONDS"] = "0.01"
            if stage is Stage.WATCHER:
                roots = [f"{root.source}={root.folder}" for root in self.roots]
                own |= {"MNEMO_WATCHER_ROOTS": joined(roots), "MNEMO_HOST": HOST}
                own |= {"MNEMO_WATCHER_SWEEP_SECONDS": "1", "MNEMO_WATCHER_SETTLE_SECONDS": "0.3"}
            if stage is Stage.HEALTH:
                own |= self._of_health()
            spec = self._spec(stage, version, f"services.{stage}.main", **own)
            child = self.children[spec.name] = Child(spec, print)
            await child.start()

    async def up(self, version: str, *stages: Stage) -> None:
        """Returns when they say that they run."""

        async def beat() -> None:
            async with bus.connect(self.nats.url("operator"), "test") as operator:
                for stage in stages:
                    try:
                        subject = subjects.heartbeat(stage, f"{stage}-{version}")
                        last = await operator.stream.get_last_msg(topology.HEARTBEATS.name, subject)
                    except NotFoundError as error:
                        raise AssertionError(f"no heartbeat of {stage}") from error
                    event = codec.decode(last.data or b"")
                    assert isinstance(event, Heartbeat)
                    assert event.phase is Phase.RUNNING, stage

        await eventually(beat)

    def _of_health(self) -> dict[str, str]:
        port, token = some_port(), "token"
        url = f"http://127.0.0.1:{port}"
        servers, roots = (self.nats.url("operator"), self.postgres.dsn()), tuple(map(str, self.roots))
        where = endpoints.Endpoints(*servers, url, token, roots, host=HOST, elsewhere=True)
        endpoints.write(self.folder, where)
        own = {"MNEMO_HEALTH_PORT": str(port), "MNEMO_HEALTH_TOKEN": token, "MNEMO_HEALTH_PROBE_SECONDS": "0.5"}
        return {**own, "MNEMO_POSTGRES_DSN": self.postgres.dsn("mnemo_reader")}

    async def stop(self, version: str, *stages: Stage) -> None:
        """Those of that version, side by side."""
        await asyncio.gather(*(self.children.pop(f"{stage}-{version}").stop() for stage in stages))

    async def stop_all(self) -> None:
        """Whatever runs."""
        await asyncio.gather(*(child.stop() for child in self.children.values()))
        self.children.clear()

    async def mnemo(self, *words: str) -> tuple[int | None, str]:
        """A command of the present version: its exit code, and what it says."""
        argv = [sys.executable, "-P", "-m", "mnemostream", *words, "--data", str(self.folder)]
        done = await asyncio.create_subprocess_exec(
            *argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=service_env({})
        )
        said, _ = await done.communicate()
        return done.returncode, said.decode()

    def log(self, service: str) -> str:
        """What a service has said."""
        return (self.folder / "logs" / f"{service}.log").read_text()

    # --- what is written, and where it is

    async def say(self, times: int = 1, *, logged: bool = True, stored: bool = True) -> None:
        """Both sessions go on; each save is in the log before the next one, and the last one in the database."""
        for _ in range(times):
            texts = [self.document.say(), self.lines.say()]
            if logged:
                await eventually(self._logged)
        for text in texts if stored else ():
            await eventually(partial(self._stored, text))

    async def _logged(self) -> None:
        """The log has all files as they are."""
        ends = {}
        async with bus.connect(self.nats.url("reader"), "test") as reader:
            for one in (await copies.Archive(None, reader).checkpoints()).values():  # type: ignore[arg-type]
                ends[one.transcript] = one.end
        for root, file in zip(self.roots, (self.lines.file, self.document.file), strict=True):
            name = codec.transcript_id(root.source, HOST, root.folder, str(file.relative_to(root.folder)))
            assert ends[name] == file.stat().st_size, file.name

    async def _stored(self, text: str) -> None:
        """The database has the record, and its vector."""
        found = await self.sql("select r.text_sha from records r join chunks using (text_sha) where body = $1", text)
        assert found, f"not stored with its vector: {text[:20]}"

    async def sql(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """Rows."""
        connection = await asyncpg.connect(self.postgres.dsn())
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()

    async def read(self) -> None:
        """Returns when all consumers have settled all that there is."""

        async def settled() -> None:
            async with bus.connect(self.nats.url("operator"), "test") as operator:
                for each in CONSUMERS:
                    info = await operator.stream.consumer_info(each.stream, each.name)
                    assert (info.num_pending, info.num_ack_pending) == (0, 0), f"{each.stream}.{each.name}"

        await eventually(settled)

    async def events(self) -> list[TranscriptChanged]:
        """All segments in the log, in its order."""
        found = [codec.decode(data) for data in await self._messages("TRANSCRIPTS")]
        return [event for event in found if isinstance(event, TranscriptChanged)]

    async def letters(self) -> list[DeadLetter]:
        """All dead letters."""
        found = [codec.decode(data) for data in await self._messages("DEADLETTERS")]
        return [event for event in found if isinstance(event, DeadLetter)]

    async def _messages(self, stream: str) -> list[bytes]:
        async with bus.connect(self.nats.url("reader"), "test") as reader:
            archive = copies.Archive(None, reader)  # type: ignore[arg-type]  # the log alone is read
            return [message.data async for message in archive.messages([">"], stream=stream)]

    async def proved(self) -> None:
        """Nothing is lost, nothing is there twice: in the log, in the database, in what people read."""
        await eventually(self._logged)
        await self.read()
        assert await self.letters() == []
        addresses = endpoints.Endpoints(self.nats.url("reader"), self.postgres.dsn("mnemo_reader"), "")
        async with copies.opened(addresses) as archive:
            report = await verify(archive, Scope(self.roots, True, host=HOST), lambda *_: None)
        assert (report.gaps, report.files, report.texts_without_vector) == ([], 2, 0)
        generations: dict[tuple[str, int], list[TranscriptChanged]] = {}
        for event in await self.events():
            generations.setdefault((event.transcript, event.generation), []).append(event)
        for parts in generations.values():
            assert parts[0].start == (parts[0].base.bytes if parts[0].base else 0)
            assert all(before.end == after.start for before, after in itertools.pairwise(parts))
        bodies = "select body from records join transcripts using (transcript_id) where source = 'claude-code'"
        assert Counter(row["body"] for row in await self.sql(bodies)) == Counter(self.lines.texts)
        (document,) = await self.sql("select transcript_id from transcripts where source = 'gemini'")
        shown = await self.sql(queries.read("session_records"), [document["transcript_id"]])
        assert [row["text"] for row in shown] == [message["content"] for message in self.document.messages]


@asynccontextmanager
async def both(folder: Path, old: Path) -> AsyncIterator[Both]:
    """The servers; nothing is made on them yet."""
    (folder / "logs").mkdir()
    secrets = Secrets.of(folder)
    async with AsyncExitStack() as stack:
        nats = Nats(folder, some_port(), secrets.nats)
        child = Child(nats.spec(), print)
        await child.start()
        stack.push_async_callback(child.stop)
        await nats.ready(child)
        postgres = Postgres(folder, port := some_port(), secrets, via=port)
        child = Child(await asyncio.to_thread(postgres.prepare), print)
        await child.start()
        stack.push_async_callback(child.stop)
        await postgres.ready(child)
        running = Both(folder, nats, postgres, old)
        stack.push_async_callback(running.stop_all)
        yield running
