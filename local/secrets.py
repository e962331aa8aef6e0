"""The passwords of one data folder, and files that only their owner can read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec

from mnemostream.local import nats_conf
from mnemostream.runtime.disk.durable import durable

DAMAGED = "secrets.json.damaged"
FORMER = 8
"""Starts that may fail one after the other before the database has taken a new password."""


class Secrets(msgspec.Struct, frozen=True):
    """Random passwords of one start; file mode 0600."""

    nats: dict[str, str]
    owner: str
    writer: str
    reader: str
    health: str = ""
    """Token of the health API."""
    former: tuple[str, ...] = ()
    """Passwords of the owner of the database at earlier starts: the last one that came so far is in force."""
    lost: bool = False
    """True if nobody knows the one that is in force: the file that held it is gone, or was damaged."""

    @classmethod
    def of(cls, data: Path) -> Secrets:
        """Those of the folder, made where there are none."""
        return cls._read(data) or cls.renewed(data)

    @classmethod
    def _read(cls, data: Path) -> Secrets | None:
        """None where there are none, or the file is damaged; a damaged one is kept under another name."""
        file = data / "secrets.json"
        try:
            return msgspec.json.decode(file.read_bytes(), type=cls)
        except FileNotFoundError:
            return None
        except (msgspec.DecodeError, UnicodeDecodeError):
            file.replace(data / DAMAGED)
            return None

    @classmethod
    def renewed(cls, data: Path) -> Secrets:
        """New ones for a new start: what somebody got hold of before is worth nothing."""
        file = data / "secrets.json"
        before = cls._read(data)
        owner, writer, reader, health = (secrets.token_urlsafe(24) for _ in range(4))
        former = (before.owner, *before.former)[:FORMER] if before else ()
        passwords = {user: secrets.token_urlsafe(24) for user in nats_conf.USERS}
        lost = before.lost if before else True
        made = cls(passwords, owner, writer, reader, health, former, lost)
        write_private(file, msgspec.json.encode(made))
        return made

    @staticmethod
    def damaged(data: Path) -> bool:
        """True if there is a file and nobody can use what it says. Nothing is changed."""
        try:
            msgspec.json.decode((data / "secrets.json").read_bytes(), type=Secrets)
        except OSError:  # there is none, or it is not ours to read
            return False
        except (msgspec.DecodeError, UnicodeDecodeError):
            return True
        return False

    def taken(self, data: Path) -> None:
        """The database has this start's password of its owner."""
        if self.lost:
            write_private(data / "secrets.json", msgspec.json.encode(msgspec.structs.replace(self, lost=False)))
            (data / DAMAGED).unlink(missing_ok=True)


def write_private(file: Path, content: bytes) -> None:
    """Writes a file that only its owner can read, whole or not at all, also if the power fails meanwhile."""
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    fresh.replace(file)
    durable(file.parent)
