"""The HTTP API. Handlers answer from the finished snapshot and wait for nothing; one exception is named as such."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.resources import files
from typing import Annotated

import msgspec
from litestar import Litestar, MediaType, Response, Router, delete, get, post
from litestar.datastructures import ResponseHeader
from litestar.exceptions import (
    HTTPException,
    NotAuthorizedException,
    NotFoundException,
    ServiceUnavailableException,
    TooManyRequestsException,
)
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, Example, SecurityScheme
from litestar.params import PathParameter, QueryParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage

from contracts.events import Stage
from runtime.heartbeat import service_version
from services.health.http import examples, live, metrics, responses, schemas
from services.health.http.protocol import (
    LOOPBACK,
    PROBLEM,
    SECURITY,
    Asked,
    accepts,
    bearer,
    bug,
    http_problem,
    json_answer,
    only_for,
)
from services.health.http.snapshot_cache import Desk
from services.health.judge.snapshot import NOT_ASKED, Snapshot
from services.health.notify.webhooks import Sender
from services.health.observe.probe import FAILURES, Store, words
from services.health.settings import Settings

LIMIT, MOST = 20, 100
RECORDS = 1000
"""Most records of one page of a conversation."""
CHARACTERS = 4_000_000
"""Most characters of the records of one page; half of it for the prompt and for the answer."""
HEALTH_JSON = "application/health+json"
EVENTS = "/v1/autosave/events"
STREAMS = 32
"""Streams of server-sent events that may be open at once."""
READS = 4
"""Conversations that may be read from the database at once."""
ASSETS = {"app.js": "text/javascript", "style.css": "text/css", "icon.svg": "image/svg+xml"}

Limit = Annotated[int, QueryParameter(ge=1, le=MOST, description="Most items of one page.")]
Offset = Annotated[int, QueryParameter(ge=0, le=100_000, description="Items to skip; `next` of the page before.")]

Exchange = Annotated[str, PathParameter(description="`exchange_id` of a conversation.")]
LetterNumber = Annotated[int, PathParameter(description="`sequence` of a dead letter.")]
Name = Annotated[str, PathParameter(description="Name of a file.")]


def _spec(kind: type[msgspec.Struct], example: msgspec.Struct, words_: str) -> ResponseSpec:
    shown = Example(summary=words_, value=schemas.builtins(example))
    return ResponseSpec(kind, description=words_, examples=[shown], generate_examples=False)


def _text(words_: str, kind: str) -> ResponseSpec:
    return ResponseSpec(str, description=words_, media_type=kind, generate_examples=False)


def _problem(status: int, words_: str) -> ResponseSpec:
    example = Example(summary=words_, value={"status": status, "title": words_, "detail": "…"})
    return ResponseSpec(
        schemas.Problem, description=words_, media_type=PROBLEM, examples=[example], generate_examples=False
    )


STARTING = {503: _problem(503, "Service Unavailable")}
CLOSED = {401: _problem(401, "Unauthorized")}
BAD = {400: _problem(400, "Bad Request")}
SECURED: list[dict[str, list[str]]] = [{"token": []}]


def build(settings: Settings, desk: Desk, pages: Store, senders: Sequence[Sender]) -> Litestar:
    """The application. `pages` is the database for whole conversations."""
    reading = asyncio.Semaphore(READS)

    ask_for = "send `Authorization: Bearer <MNEMO_HEALTH_TOKEN>`"
    if not settings.token:
        ask_for = "the service has no token, set MNEMO_HEALTH_TOKEN"

    def current() -> Snapshot:
        if desk.snapshot is None:
            raise ServiceUnavailableException("starting: nothing is known yet, ask again in a few seconds")
        return desk.snapshot

    def has_token(request: Asked) -> bool:
        given = bearer(request.headers.get("authorization", ""))
        return bool(settings.token) and hmac.compare_digest(given.encode(), settings.token.encode())

    def admitted(request: Asked) -> None:
        if not settings.open and not has_token(request):
            raise NotAuthorizedException(f"this shows content: {ask_for}")

    def made(name: str, make: Callable[[Snapshot], msgspec.Struct]) -> bytes:
        current()
        return desk.answer(name, make)

    @get("/livez", sync_to_thread=False, responses={200: _spec(schemas.Alive, schemas.Alive(), "Alive")})
    def livez() -> Response[bytes]:
        """The process turns."""
        return json_answer(b'{"status":"alive"}')

    @get(
        "/readyz",
        sync_to_thread=False,
        responses={
            200: _spec(schemas.Ready, examples.READY, "Bus and database were reachable at the last look"),
            503: _spec(schemas.Ready, schemas.Ready(False, "timeout", "ok"), "One was not, or is not known yet"),
        },
    )
    def readyz() -> Response[bytes]:
        """Bus and database were reachable at the last look."""
        if desk.snapshot is None:
            return json_answer(msgspec.json.encode(schemas.Ready(False, NOT_ASKED, NOT_ASKED)), 503)
        body = made("readyz", responses.ready)
        return json_answer(body, 200 if responses.ready(current()).ready else 503)

    @get(
        "/v1/autosave/health",
        sync_to_thread=False,
        responses={
            200: _spec(schemas.Health, examples.HEALTH, "Healthy or degraded"),
            503: _spec(schemas.Health, examples.UNHEALTHY, "Unhealthy or unknown"),
        },
    )
    def health(request: Asked) -> Response[bytes]:
        """Status of all stages; 200 when healthy or degraded, 503 otherwise. As `application/health+json` to those who
        accept it."""
        accepted = accepts(request.headers.get("accept", ""), HEALTH_JSON)
        kind = HEALTH_JSON if accepted else "application/json"
        if desk.snapshot is None:
            answer = json_answer(msgspec.json.encode(examples.starting(_now())), 503, kind)
        else:
            answer = json_answer(made("health", responses.health), responses.http_status(current()), kind)
        answer.headers["Vary"] = "Accept"
        return answer

    @get(
        "/v1/autosave/stats",
        sync_to_thread=False,
        responses={200: _spec(schemas.Stats, examples.STATS, "Counts"), **STARTING},
    )
    def stats() -> Response[bytes]:
        """Counts, coverage by model, streams."""
        return json_answer(made("stats", responses.stats))

    @get(
        "/v1/autosave/ledger",
        sync_to_thread=False,
        responses={200: _spec(schemas.Ledger, examples.LEDGER, "The ledger"), **STARTING},
    )
    def ledger() -> Response[bytes]:
        """On disk = captured = published = stored; texts = embedded: each step with its gap."""
        return json_answer(made("ledger", responses.ledger))

    @get(
        "/v1/autosave/recent",
        sync_to_thread=False,
        security=SECURED,
        responses={200: _spec(schemas.Recent, examples.RECENT, "A page"), **BAD, **CLOSED, **STARTING},
    )
    def recent(request: Asked, limit: Limit = LIMIT, offset: Offset = 0) -> Response[bytes]:
        """The newest conversations, texts shortened."""
        admitted(request)
        return json_answer(msgspec.json.encode(responses.recent(current(), limit, offset)))

    @get(
        "/v1/autosave/conversation/{exchange:str}",
        security=SECURED,
        responses={
            200: _spec(schemas.FullConversation, examples.CONVERSATION, "The whole conversation"),
            404: _problem(404, "Not Found"),
            **BAD,
            **CLOSED,
            **STARTING,
        },
    )
    async def conversation(
        request: Asked,
        exchange: Exchange,
        limit: Annotated[int, QueryParameter(ge=1, le=RECORDS, description="Most records of one page.")] = RECORDS,
        offset: Offset = 0,
    ) -> Response[bytes]:
        """One conversation with its whole texts. The only answer that is read from the database when asked for."""
        admitted(request)
        if "\0" in exchange:
            raise NotFoundException("no conversation has such an id")
        if reading.locked():
            raise ServiceUnavailableException("too many conversations are being read, ask again in a second")
        async with reading:
            try:
                rows = await pages.ask("conversation", exchange, CHARACTERS // 2)
                if not rows:
                    raise NotFoundException(f"no conversation {exchange[:100]!r}; `recent` lists them")
                whole = rows[0]
                found = await pages.ask(
                    "conversation_records", exchange, whole["transcript_id"], limit, offset, CHARACTERS
                )
            except FAILURES as error:
                raise ServiceUnavailableException(f"the database does not answer: {words(error)}") from error
        body = responses.conversation(whole, found, offset)
        return json_answer(await asyncio.to_thread(msgspec.json.encode, body))

    @get(
        "/v1/autosave/timeline",
        sync_to_thread=False,
        responses={200: _spec(schemas.Timeline, examples.TIMELINE, "Imports and status changes"), **BAD, **STARTING},
    )
    def timeline(
        days: Annotated[int, QueryParameter(ge=1, le=365, description="Days to look back.")] = 7,
        limit: Limit = LIMIT,
        offset: Offset = 0,
    ) -> Response[bytes]:
        """Imports per hour and day; status changes, newest first."""
        return json_answer(msgspec.json.encode(responses.timeline(current(), days, limit, offset)))

    @get(
        "/v1/autosave/deadletters",
        sync_to_thread=False,
        security=SECURED,
        responses={200: _spec(schemas.DeadLetters, examples.DEADLETTERS, "A page"), **BAD, **CLOSED, **STARTING},
    )
    def deadletters(
        request: Asked,
        stage: Annotated[Stage | None, QueryParameter(description="Only those of one stage.")] = None,
        limit: Limit = LIMIT,
        offset: Offset = 0,
    ) -> Response[bytes]:
        """Messages that were given up, newest first; the newest 200 can be paged through."""
        admitted(request)
        return json_answer(msgspec.json.encode(responses.deadletters(current(), stage, limit, offset, desk.asked)))

    def taken(request: Asked, sequence: int, what: str) -> None:
        """Hands a request about one dead letter on, or says why not."""
        if not has_token(request):
            raise NotAuthorizedException(f"a {what} needs the token: {ask_for}")
        letter = next((one for one in current().letters if one.sequence == sequence), None)
        if letter is None:
            raise NotFoundException(f"no dead letter {sequence} among the newest; `deadletters` lists them")
        if what == "retry" and letter.stage not in (Stage.EMBEDDER, Stage.WRITER):
            raise HTTPException(f"the {letter.stage} takes no retries", status_code=409)
        if not desk.ask(sequence, what):
            raise TooManyRequestsException("too many requests are under way", headers={"Retry-After": "5"})

    @post(
        "/v1/autosave/deadletters/{sequence:int}/retry",
        sync_to_thread=False,
        status_code=202,
        security=SECURED,
        responses={
            202: _spec(schemas.RetryAccepted, schemas.RetryAccepted(7, "pending"), "Handed to a worker of the stage"),
            404: _problem(404, "Not Found"),
            409: _problem(409, "Conflict"),
            429: _problem(429, "Too Many Requests"),
            **BAD,
            **CLOSED,
            **STARTING,
        },
    )
    def retry(request: Asked, sequence: LetterNumber) -> Response[bytes]:
        """Try a dead letter once more. Needs the token, on loopback too. `deadletters` tells what becomes of it."""
        taken(request, sequence, "retry")
        return json_answer(msgspec.json.encode(schemas.RetryAccepted(sequence, "pending")), 202)

    @delete(
        "/v1/autosave/deadletters/{sequence:int}",
        sync_to_thread=False,
        status_code=202,
        security=SECURED,
        responses={
            202: _spec(schemas.DropAccepted, schemas.DropAccepted(7, "pending"), "Being removed"),
            404: _problem(404, "Not Found"),
            429: _problem(429, "Too Many Requests"),
            **BAD,
            **CLOSED,
            **STARTING,
        },
    )
    def drop(request: Asked, sequence: LetterNumber) -> Response[bytes]:
        """Drop a dead letter. What it stands for stays in the log. Needs the token, on loopback too."""
        taken(request, sequence, "drop")
        return json_answer(msgspec.json.encode(schemas.DropAccepted(sequence, "pending")), 202)

    @get(
        EVENTS,
        media_type="text/event-stream",
        responses={
            200: _text("Server-sent events", "text/event-stream"),
            429: _problem(429, "Too Many Requests"),
            **STARTING,
        },
    )
    async def events() -> ServerSentEvent:
        """Server-sent events for the dashboard: `live`, the whole state without content, whenever it is new."""
        current()
        if desk.streams >= STREAMS:
            raise TooManyRequestsException(
                f"{STREAMS} streams of events are open already; close another dashboard", headers={"Retry-After": "5"}
            )

        async def stream() -> AsyncIterator[ServerSentEventMessage]:
            desk.streams += 1
            try:
                while True:
                    told = desk.answer("live", partial(live.body, asked=desk.asked)).decode()
                    yield ServerSentEventMessage(data=told, event="live", retry=2000)
                    await desk.news()
            finally:
                desk.streams -= 1

        return ServerSentEvent(stream(), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    @get(
        ["/metrics", "/v1/autosave/metrics"],
        media_type=MediaType.TEXT,
        responses={200: _text("Prometheus text format; docs/metrics.md", "text/plain"), **STARTING},
    )
    async def prometheus() -> Response[bytes]:
        """Metrics for Prometheus."""
        told = metrics.webhook_figures(senders)
        body = await asyncio.to_thread(metrics.render, current(), told)
        return Response(body, media_type=metrics.CONTENT_TYPE, headers={"Cache-Control": "no-store"})

    pages_folder = files("services.health") / "static"
    index = (pages_folder / "index.html").read_bytes()
    assets = {name: (pages_folder / name).read_bytes() for name in ASSETS}

    @get("/autosave", sync_to_thread=False, include_in_schema=False)
    def dashboard() -> Response[bytes]:
        """The dashboard."""
        return Response(index, media_type=MediaType.HTML, headers={"Cache-Control": "no-cache"})

    @get("/autosave/{name:str}", sync_to_thread=False, include_in_schema=False)
    def asset(name: Name) -> Response[bytes]:
        """Its script, style and icon."""
        if name not in assets:
            raise NotFoundException(f"no {name[:100]!r} here")
        return Response(assets[name], media_type=ASSETS[name], headers={"Cache-Control": "no-cache"})

    handlers = [livez, readyz, health, stats, ledger, recent, conversation, timeline, deadletters, retry, drop, events]
    hosts = {*(host.lower() for host in settings.allowed_hosts), *LOOPBACK}
    anywhere = "*" in hosts or (not settings.open and not settings.allowed_hosts)
    return Litestar(
        [Router("/", route_handlers=[*handlers, prometheus, dashboard, asset])],
        middleware=[] if anywhere else [only_for(hosts)],
        response_headers=[ResponseHeader(name=name, value=value) for name, value in SECURITY.items()],
        exception_handlers={HTTPException: http_problem, Exception: bug},
        openapi_config=OpenAPIConfig(
            title="Mnemostream",
            version=service_version(),
            description="Health of the transcript pipeline. Errors are RFC 9457 problem documents.",
            path="/schema",
            use_handler_docstrings=True,
            render_plugins=[JsonRenderPlugin(path=["/", "/openapi.json"], media_type=MediaType.JSON)],
            components=Components(security_schemes={"token": SecurityScheme(type="http", scheme="bearer")}),
        ),
        logging_config=None,
    )


def _now() -> float:
    return datetime.now(UTC).timestamp()  # noqa: TID251 - a stamp of an answer without a snapshot
