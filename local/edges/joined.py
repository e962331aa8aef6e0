"""This machine as an edge: the server it ships to, kept in its data folder; and what its watcher last said."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from mnemostream.contracts.events import Heartbeat
from mnemostream.local.secrets import write_private
from mnemostream.runtime.connection import address
from mnemostream.runtime.errors import Misconfigured
from mnemostream.runtime.logs import without_password

FILE = "joined.json"
BEAT = "watcher.beat"
"""In the folder of the signs of life."""


class Joined(msgspec.Struct, frozen=True):
    """A server that this machine ships its transcripts to."""

    url: str

    @property
    def edge(self) -> str:
        """The name of this machine there."""
        return unquote(urlsplit(self.url).username or "")

    @property
    def server(self) -> str:
        """Where it is, without the password."""
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port or 4222}"


class Said(msgspec.Struct, frozen=True):
    """The last heartbeat, and whether there was a connection then."""

    connected: bool
    beat: Heartbeat


def parse(url: str) -> Joined:
    """Raises ValueError for what is no address of `mnemo edge invite`."""
    parts = urlsplit(url)
    if parts.scheme != "tls" or not (parts.username and parts.password and parts.hostname):
        shown = without_password(url)[:80]
        raise ValueError(
            f"{shown!r} is no address that a server gives (mnemo edge invite): tls://NAME:PASSWORD@HOST:PORT"
        )
    address.of(url)
    return Joined(url)


def read(data: Path) -> Joined | None:
    """None where this folder is of no edge. Raises Misconfigured for a file that says nothing: an edge whose file is
    damaged must not become a server."""
    try:
        return msgspec.json.decode((data / FILE).read_bytes(), type=Joined)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{data / FILE} cannot be read: {error}; join again, or remove it") from error


def write(data: Path, joined: Joined) -> None:
    """Only its owner can read it."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(data / FILE, msgspec.json.encode(joined))


def said(file: Path) -> Said | None:
    """What the watcher said last; None = nothing yet."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Said)
    except (OSError, msgspec.DecodeError):
        return None
