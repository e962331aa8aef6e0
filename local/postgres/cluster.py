"""The files of the embedded PostgreSQL: made whole or not at all, and freed of what a crash has left."""

from __future__ import annotations

import locale
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import psutil

from mnemostream.runtime.disk.durable import durable

OF_INITDB = frozenset({"1", "4", "5", "pgsql_tmp"})
"""What initdb makes below `base`: template1, template0, postgres (src/include/catalog/pg_database.dat). Every other
folder there is a database of ours."""
LOCALE = "C.UTF-8"


class Owner(msgspec.Struct, frozen=True):
    """Who runs the server: another user where we are root, which it refuses."""

    user: str | None = None
    uid: int = -1


def environment() -> dict[str, str]:
    """Ours, with a locale that exists: that of a person's terminal may be of another machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LC_") and name != "LANGUAGE"}
    return {**kept, "LC_ALL": LOCALE if _exists(LOCALE) else "C", "LANG": "C"}


def _exists(name: str) -> bool:
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, name)
    except locale.Error:
        return False
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return True


def is_whole(folder: Path) -> bool:
    """True for a cluster with our database, False for none, or one whose making was cut short.

    Raises RuntimeError for one that holds data and cannot be started.
    """
    held = any(entry.name not in OF_INITDB for entry in (folder / "base").glob("*"))
    started = (folder / "PG_VERSION").exists() and (folder / "global" / "pg_control").exists()
    if held and not started:
        raise RuntimeError(
            f"{folder} holds data, but PG_VERSION or global/pg_control is missing: "
            "put a copy of the folder back, or move it away, then the database is built anew from the log"
        )
    return held


def make(folder: Path, programs: Path, owner: Owner, password: str, database: str) -> None:
    """A cluster with the database, and the owner's password set in single-user mode: no server without a password ever
    listens. It appears under its name when it is finished. Raises RuntimeError."""
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    _own(fresh, owner)
    initdb = [str(programs / "initdb"), "--auth=trust", "--encoding=utf8", "-U", "postgres", "-D", str(fresh)]
    _run(initdb, b"", owner, f"PostgreSQL cannot be initialised in {folder}")
    _single(fresh, programs, owner, [_password(password), f"create database {database};"])
    if folder.exists():  # half made by an earlier version; kept, though there is nothing in it
        aside = folder.with_name(f"{folder.name}.half")
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
    fresh.rename(folder)
    durable(folder.parent)


def _own(folder: Path, owner: Owner) -> None:
    folder.mkdir(mode=0o700)
    if owner.user:
        os.chown(folder, owner.uid, -1)


def set_password(folder: Path, programs: Path, owner: Owner, password: str) -> None:
    """Gives the owner of a cluster that does not run a new password. Raises RuntimeError."""
    _single(folder, programs, owner, [_password(password)])


def _password(password: str) -> str:
    return f"alter role postgres password '{password}';"


def _single(folder: Path, programs: Path, owner: Owner, statements: Sequence[str]) -> None:
    argv = [str(programs / "postgres"), "--single", "-D", str(folder), "postgres"]
    _run(argv, "".join(f"{each}\n" for each in statements).encode(), owner, f"PostgreSQL in {folder} cannot be changed")


def _run(argv: Sequence[str], typed: bytes, owner: Owner, failed: str) -> None:
    done = subprocess.run(
        argv, input=typed, user=owner.user, cwd="/", env=environment(), capture_output=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{failed}: {done.stderr.decode('utf-8', 'replace').strip()[-2000:]}")


def free(folder: Path, sockets: Iterable[Path]) -> None:
    """Removes the lock files of a server that is gone. Its process id may be another program's by now, which PostgreSQL
    takes for a server that runs; nobody else starts one here while we hold the lock of the data folder."""
    for file in (folder / "postmaster.pid", *sockets):
        try:
            pid = int(file.read_text().partition("\n")[0])
        except FileNotFoundError:
            continue
        except ValueError:
            pid = 0  # cut short by a loss of power
        if not (pid and _serves(pid, folder)):
            file.unlink()


def _serves(pid: int, folder: Path) -> bool:
    """True if the process is a PostgreSQL on this folder."""
    try:
        command = psutil.Process(abs(pid)).cmdline()
    except psutil.Error:
        return False
    return bool(command) and Path(command[0]).name.startswith("postgres") and str(folder) in command
