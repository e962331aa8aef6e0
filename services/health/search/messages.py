"""What the API asks its search process, and what that answers:"""

from __future__ import annotations

import msgspec

from mnemostream.archive.find.question import Question
from mnemostream.archive.sessions import Wanted


class Start(msgspec.Struct, frozen=True):
    """The first message: where to look, and how secrets are recognised. Passwords are on no command line."""

    postgres_dsn: str
    nats_url: str
    secret_rules: str


class Search(msgspec.Struct, frozen=True, tag=True):
    """Hits of a question."""

    question: Question


class Sessions(msgspec.Struct, frozen=True, tag=True):
    """A list of sessions."""

    wanted: Wanted


class Read(msgspec.Struct, frozen=True, tag=True):
    """A page of a session, from an offset or an exchange on; with `html`, each entry as HTML too."""

    session: str
    limit: int
    offset: int
    around: str | None
    html: bool


class Projects(msgspec.Struct, frozen=True, tag=True):
    """Folders in which assistants worked."""

    limit: int


class Asked(msgspec.Struct, frozen=True):
    """A question with its number; `reveal`: secrets are shown."""

    number: int
    reveal: bool
    question: Search | Sessions | Read | Projects


class Answered(msgspec.Struct, frozen=True):
    """The answer to the question of this number: JSON, or a status of HTTP with what to say."""

    number: int
    body: bytes = b""
    status: int = 200
    detail: str = ""
