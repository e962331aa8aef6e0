"""Contexts of the nats CLI: address, user and password in a file that only its owner can read."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mnemostream.contracts import subjects
from mnemostream.local import nats_conf
from mnemostream.local.nats_server import Nats
from mnemostream.local.secrets import write_private

READER, SYSTEM = "nats-context.json", "nats-system-context.json"
MARK = "Mnemostream"


def write(data: Path, nats: Nats) -> None:
    """Those of one start, in its data folder."""
    for name, user in ((READER, nats_conf.READER), (SYSTEM, nats_conf.SYSTEM)):
        write_private(data / name, content(nats.url(user), str(data)))


def content(url: str, where: str, *, reads_only: bool = True) -> bytes:
    """The context for an address with user and password, which appear in no output of the nats CLI then."""
    parts = urlsplit(url)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    context = {
        "description": f"{MARK} ({where}): {'looks, and changes nothing' if reads_only else 'may do everything'}",
        "url": f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}",
        "user": user,
        "password": password,
        "inbox_prefix": subjects.inbox(user),
    }
    return json.dumps(context, indent=2).encode() + b"\n"


def remove(data: Path) -> None:
    """At the end: their passwords are worth nothing any more."""
    for name in (READER, SYSTEM):
        (data / name).unlink(missing_ok=True)
