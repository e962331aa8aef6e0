"""The passwords of one data folder, and files that only their owner can read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec

from local import nats_conf

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

    @classmethod
    def of(cls, data: Path) -> Secrets:
        """Those of the folder, made where there are none."""
        file = data / "secrets.json"
        return msgspec.json.decode(file.read_bytes(), type=cls) if file.exists() else cls.renewed(data)

    @classmethod
    def renewed(cls, data: Path) -> Secrets:
        """New ones for a new start: what somebody got hold of before is worth nothing."""
        file = data / "secrets.json"
        before = msgspec.json.decode(file.read_bytes(), type=cls) if file.exists() else None
        owner, writer, reader, health = (secrets.token_urlsafe(24) for _ in range(4))
        former = (before.owner, *before.former)[:FORMER] if before else ()
        passwords = {user: secrets.token_urlsafe(24) for user in nats_conf.USERS}
        made = cls(passwords, owner, writer, reader, health, former)
        write_private(file, msgspec.json.encode(made))
        return made


def write_private(file: Path, content: bytes) -> None:
    """Writes a file that only its owner can read, whole or not at all."""
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
        handle.write(content)
    fresh.replace(file)
