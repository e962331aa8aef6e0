"""HTTP itself: answers, refusals as problem documents, HEAD, what a client takes.

Refusals go through Litestar's `ProblemDetailsPlugin`. Two of Litestar's parts do not do what is needed here (2.25,
tried): `AllowedHostsConfig` compares the whole `Host` with its port and takes no IPv6 loopback, and `@head` needs a
second handler for each path; so `access.only_for` and `head_as_get` stand here instead. `Accept.accepts` takes a type
with `q=0` for accepted, hence `accepts`.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from litestar import Request, Response
from litestar.enums import ScopeType
from litestar.exceptions import ClientException, HTTPException
from litestar.plugins.problem_details import ProblemDetailsConfig, ProblemDetailsException, ProblemDetailsPlugin
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from mnemostream.runtime.logs import Log

log = Log("mnemo.health.api")

PROBLEM = "application/problem+json"
NO_STORE = {"Cache-Control": "no-store"}
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

AnyRequest = Request[Any, Any, Any]


def accepts(header: str, kind: str) -> bool:
    """True if an `Accept` header names the media type itself, and does not refuse it (RFC 9110, 12.5.1).

    >>> accepts("text/html, Application/Health+JSON;q=0.5", "application/health+json")
    True
    >>> accepts("application/health+json;q=0", "application/health+json")
    False
    """
    for entry in header.lower().split(","):
        name, *parameters = (part.strip() for part in entry.split(";"))
        if name == kind:
            return not any(re.fullmatch(r"q=0(\.0*)?", parameter.replace(" ", "")) for parameter in parameters)
    return False


def head_as_get(app: ASGIApp, endless: str) -> ASGIApp:
    """HEAD is GET without the body, for all but the `endless` path."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["method"] != "HEAD" or scope["path"] == endless:
            await app(scope, receive, send)
            return

        async def headers_only(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await app({**scope, "method": "GET"}, receive, headers_only)

    return answered


def json_answer(body: bytes, status: int = 200, kind: str = "application/json") -> Response[bytes]:
    """JSON that nobody keeps."""
    return Response(body, status_code=status, media_type=kind, headers=NO_STORE)


def refused(error: HTTPException) -> ProblemDetailsException:
    """A refusal as a problem document; `detail` says what to do."""
    detail = error.detail
    if isinstance(error, ClientException) and isinstance(error.extra, list) and error.extra:
        complaints = [
            f"{entry.get('key', '')}: {entry.get('message', '')}" for entry in error.extra if isinstance(entry, dict)
        ]
        detail = "; ".join(complaints) or detail
    return _problem(error.status_code, detail, dict(error.headers or {}))


def failed(error: Exception) -> ProblemDetailsException:
    """A bug: the log gets the traceback, the client a generic 500."""
    log.exception("request failed", error)
    return _problem(500, "internal error; see the log of the health service", {})


def _problem(status: int, detail: str, headers: dict[str, str]) -> ProblemDetailsException:
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    headers = {**NO_STORE, **SECURITY, **headers}
    return ProblemDetailsException(detail=detail, status_code=status, title=HTTPStatus(status).phrase, headers=headers)


def plugin() -> ProblemDetailsPlugin:
    """Makes every error a problem document."""
    return ProblemDetailsPlugin(
        ProblemDetailsConfig(exception_to_problem_detail_map={HTTPException: refused, Exception: failed})
    )
