"""The passwords of one data folder, and files that only their owner can read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec

from local import nats_conf


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
            credentials = msgspec.json.decode(file.read_bytes(), type=cls)
            missing = [user for user in nats_conf.USERS if user not in credentials.nats]
            if credentials.health and not missing:
                return credentials
            users = {**credentials.nats, **{user: secrets.token_urlsafe(24) for user in missing}}
            credentials = msgspec.structs.replace(credentials, health=credentials.health or token, nats=users)
        else:
            passwords = {user: secrets.token_urlsafe(24) for user in nats_conf.USERS}
            owner, writer, reader = (secrets.token_urlsafe(24) for _ in range(3))
            credentials = cls(passwords, owner, writer, reader, token)
        write_private(file, msgspec.json.encode(credentials))
        return credentials


def write_private(file: Path, content: bytes) -> None:
    """Writes a file that only its owner can read, whole or not at all."""
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
        handle.write(content)
    fresh.replace(file)
