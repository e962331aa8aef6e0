"""Routes about dead letters: list, retry, drop."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Controller, Response, delete, get, post
from litestar.exceptions import HTTPException, NotFoundException, TooManyRequestsException
from litestar.params import PathParameter, QueryParameter

from mnemostream.contracts.events import Stage
from mnemostream.contracts.http.archive import DeadLetters, DropAccepted, RetryAccepted
from mnemostream.services.health.http.bodies import archive as bodies
from mnemostream.services.health.http.bodies import examples
from mnemostream.services.health.http.openapi import BAD, BUSY, CLOSED, MISSING, SECURED, STARTING, problem, spec
from mnemostream.services.health.http.problems import AnyRequest, json_answer
from mnemostream.services.health.http.routes.provided import Cache, May, OnePage, Requests
from mnemostream.services.health.http.snapshot_cache import SnapshotCache
from mnemostream.services.health.observe.dead_letters import DeadLetterRequests

Sequence = Annotated[int, PathParameter(description="`sequence` of a dead letter.")]
WHY_CHARS = 500
Why = Annotated[
    str, QueryParameter(description="Why, for the record (event `DeadLetterDropped`).", max_length=WHY_CHARS)
]
OnlyStage = Annotated[Stage | None, QueryParameter(description="Only dead letters of this stage.")]


class DeadLetterRoutes(Controller):
    """Reading and changing need the token."""

    path = "/v1/autosave/deadletters"

    @get(
        "/",
        sync_to_thread=False,
        security=SECURED,
        responses={200: spec(DeadLetters, examples.DEADLETTERS, "A page"), **BAD, **CLOSED, **STARTING},
    )
    def listed(
        self,
        request: AnyRequest,
        cache: Cache,
        access: May,
        requests: Requests,
        content_page: OnePage,
        stage: OnlyStage = None,
    ) -> Response[bytes]:
        """List dead-lettered messages, newest first, up to the newest 200. Secrets are masked."""
        access.to_content(request)
        page = content_page
        body = bodies.deadletters(cache.current(), stage, page.limit, page.offset, requests.pending)
        return access.masks.answer(body, reveal=page.reveal)

    @post(
        "/{sequence:int}/retry",
        sync_to_thread=False,
        status_code=202,
        security=SECURED,
        responses={
            202: spec(RetryAccepted, RetryAccepted(7, "pending"), "Handed to a worker of the stage"),
            409: problem(409, "Conflict"),
            **MISSING,
            **BUSY,
            **BAD,
            **CLOSED,
            **STARTING,
        },
    )
    def retry(
        self,
        request: AnyRequest,
        cache: Cache,
        access: May,
        requests: Requests,
        sequence: Sequence,
    ) -> Response[bytes]:
        """Retry a dead letter. Requires the token. `deadletters` shows the outcome."""
        access.to_change(request, "retry")
        stage = _stage_of(cache, sequence)
        if stage not in (Stage.EMBEDDER, Stage.WRITER):
            raise HTTPException(f"the {stage} does not support retries", status_code=409)
        _hand_on(requests, sequence, "retry")
        return json_answer(msgspec.json.encode(RetryAccepted(sequence, "pending")), 202)

    @delete(
        "/{sequence:int}",
        sync_to_thread=False,
        status_code=202,
        security=SECURED,
        responses={
            202: spec(DropAccepted, DropAccepted(7, "pending"), "Deletion requested"),
            **MISSING,
            **BUSY,
            **BAD,
            **CLOSED,
            **STARTING,
        },
    )
    def drop(
        self,
        request: AnyRequest,
        cache: Cache,
        access: May,
        requests: Requests,
        sequence: Sequence,
        why: Why = "",
    ) -> Response[bytes]:
        """Delete a dead letter. Its original message stays in the log. Requires the token, also on loopback."""
        access.to_change(request, "drop")
        _stage_of(cache, sequence)
        _hand_on(requests, sequence, "drop", why)
        return json_answer(msgspec.json.encode(DropAccepted(sequence, "pending")), 202)


def _stage_of(cache: SnapshotCache, sequence: int) -> str:
    """Raises NotFoundException."""
    letter = next((letter for letter in cache.current().dead_letters if letter.sequence == sequence), None)
    if letter is None:
        raise NotFoundException(f"no dead letter {sequence} among the newest; see `deadletters` for a list")
    return letter.stage


def _hand_on(requests: DeadLetterRequests, sequence: int, what: str, why: str = "") -> None:
    """Raises TooManyRequestsException."""
    if not requests.ask(sequence, what, why):
        raise TooManyRequestsException("too many requests are pending", headers={"Retry-After": "5"})
