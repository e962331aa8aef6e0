"""Routes to find and to read: search, sessions, projects. Content needs the token, on loopback too."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import ClientException, NotFoundException
from litestar.params import PathParameter, QueryParameter

from mnemostream.archive.find.question import MOST_CONTEXT, MOST_HITS, BadQuestion, Question
from mnemostream.archive.find.times import moment
from mnemostream.archive.sessions import Wanted
from mnemostream.contracts.http.search import Projects, Searched, SessionPage, Sessions
from mnemostream.services.health.http.bodies import examples_search as examples
from mnemostream.services.health.http.finding import Finding
from mnemostream.services.health.http.openapi import BAD, CLOSED, MISSING, SECURED, STARTING, spec
from mnemostream.services.health.http.problems import AnyRequest, json_answer
from mnemostream.services.health.http.routes.provided import May, Reveal
from mnemostream.services.health.search import messages

Find = NamedDependency[Finding]
Query = Annotated[str, QueryParameter(name="q", description="What to look for; an empty text finds nothing.")]
Text = Annotated[str | None, QueryParameter()]
By = Annotated[Literal["session", "exchange"], QueryParameter(description="What a hit is.")]
Mode = Annotated[Literal["auto", "words", "meaning", "exact"], QueryParameter(description="How to search.")]
Limit = Annotated[int, QueryParameter(ge=1, le=MOST_HITS, description="Maximum items per page.")]
Cursor = Annotated[int, QueryParameter(ge=0, le=10_000_000, description="`next` of the page before.")]
Project = Annotated[str | None, QueryParameter(description="Part of the project's folder, in any case.")]
Assistant = Annotated[str | None, QueryParameter(description="Name of an assistant, for example `claude-code`.")]
Since = Annotated[str | None, QueryParameter(description="`3d`, `12h`, `2026-01-31`: used since then.")]
Until = Annotated[str | None, QueryParameter(description="Begun before then.")]
Role = Annotated[Literal["you", "assistant", "tool"] | None, QueryParameter(description="Who wrote it.")]
Tool = Annotated[str | None, QueryParameter(description="A tool that was used, for example `Bash`.")]
File = Annotated[str | None, QueryParameter(description="A path, or a part of it, that a tool was given.")]
InSession = Annotated[str | None, QueryParameter(name="session", description="ID of a session, or its start.")]
Around = Annotated[str | None, QueryParameter(description="`exchange_id` from which on to read.")]
Lines = Annotated[bool, QueryParameter(description="Tell the number of the line of each hit.")]
Context = Annotated[int, QueryParameter(ge=0, le=MOST_CONTEXT, description="Entries before and after each hit.")]
AsHtml = Annotated[bool, QueryParameter(name="html", description="Each entry as HTML too, free of scripts.")]
SessionId = Annotated[str, PathParameter(description="`session_id` of a session.")]


class Where(msgspec.Struct, frozen=True):
    """Filters of sessions."""

    project: str | None
    assistant: str | None
    since: datetime | None
    until: datetime | None


class Within(msgspec.Struct, frozen=True):
    """Filters of what is in them, and what is told of it."""

    role: str | None
    tool: str | None
    file: str | None
    session: str | None
    lines: bool
    context: int


def where(project: Project = None, assistant: Assistant = None, since: Since = None, until: Until = None) -> Where:
    """From the query. Raises ClientException."""
    now = datetime.now(UTC)  # noqa: TID251 - `3d` is meant by the wall clock
    try:
        first, last = (moment(value, now) if value else None for value in (since, until))
    except ValueError as error:
        raise ClientException(str(error)) from error
    return Where(project, assistant, first, last)


def within(
    role: Role = None,
    tool: Tool = None,
    file: File = None,
    in_session: InSession = None,
    lines: Lines = False,
    context: Context = 0,
) -> Within:
    """From the query."""
    return Within(role, tool, file, in_session, lines, context)


class SearchPage(msgspec.Struct, frozen=True):
    """Which part is asked for, and how."""

    limit: int
    offset: int
    reveal: bool


def search_page(limit: Limit = 20, cursor: Cursor = 0, reveal: Reveal = False) -> SearchPage:
    """From the query."""
    return SearchPage(limit, cursor, reveal)


class Reading(msgspec.Struct, frozen=True):
    """How a session is read."""

    around: str | None
    as_html: bool


def reading(around: Around = None, as_html: AsHtml = False) -> Reading:
    """From the query."""
    return Reading(around, as_html)


Filters = NamedDependency[Where]
OnePart = NamedDependency[SearchPage]


def question(
    where: Filters,
    within: NamedDependency[Within],
    search_page: OnePart,
    sought: Query = "",
    by: By = "session",
    mode: Mode = "auto",
) -> Question:
    """From the query. Raises ClientException."""
    filters = {**msgspec.structs.asdict(where), **msgspec.structs.asdict(within)}
    page = search_page
    try:
        return Question(text=sought, by=by, mode=mode, limit=page.limit, offset=page.offset, **filters)
    except BadQuestion as error:
        raise ClientException(str(error)) from error


PROVIDED = (search_page, where, within, reading, question)


class SearchRoutes(Controller):
    """Content needs the token."""

    path = "/v1"

    @get(
        "/search",
        security=SECURED,
        responses={200: spec(Searched, examples.SEARCHED, "Hits, best first"), **BAD, **CLOSED, **STARTING},
    )
    async def search(
        self, request: AnyRequest, access: May, find: Find, question: NamedDependency[Question], search_page: OnePart
    ) -> Response[bytes]:
        """Search by words, by meaning and for exact text, all at once; words answer without an embedder. Secrets are
        masked."""
        access.to_content(request)
        return json_answer(await find.ask(messages.Search(question), reveal=search_page.reveal))

    @get(
        "/sessions",
        security=SECURED,
        responses={200: spec(Sessions, examples.SESSIONS, "A page"), **BAD, **CLOSED, **STARTING},
    )
    async def sessions(
        self, request: AnyRequest, access: May, find: Find, where: Filters, search_page: OnePart
    ) -> Response[bytes]:
        """List sessions, the latest first; all of them can be paged through. Secrets are masked."""
        access.to_content(request)
        wanted = Wanted(**msgspec.structs.asdict(where), limit=search_page.limit, offset=search_page.offset)
        return json_answer(await find.ask(messages.Sessions(wanted), reveal=search_page.reveal))

    @get(
        "/sessions/{session_id:str}",
        security=SECURED,
        responses={200: spec(SessionPage, examples.SESSION, "A page of it"), **MISSING, **BAD, **CLOSED, **STARTING},
    )
    async def session(
        self,
        request: AnyRequest,
        access: May,
        find: Find,
        search_page: OnePart,
        session_id: SessionId,
        reading: NamedDependency[Reading],
    ) -> Response[bytes]:
        """Read a session: what was said, and what its tools did. Secrets are masked."""
        access.to_content(request)
        if "\0" in session_id or "\0" in (reading.around or ""):
            raise NotFoundException("no session has this ID")
        page = search_page.limit, search_page.offset
        wanted = messages.Read(session_id, *page, reading.around, reading.as_html)
        return json_answer(await find.ask(wanted, reveal=search_page.reveal))

    @get(
        "/projects",
        security=SECURED,
        responses={200: spec(Projects, examples.PROJECTS, "Folders"), **BAD, **CLOSED, **STARTING},
    )
    async def projects(self, request: AnyRequest, access: May, find: Find, search_page: OnePart) -> Response[bytes]:
        """List the folders in which assistants worked, the latest used first."""
        access.to_content(request)
        return json_answer(await find.ask(messages.Projects(search_page.limit), reveal=search_page.reveal))
