"""HTTP itself: answers, refusals as problem documents, names that are served, HEAD, what a client takes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.enums import ScopeType
from litestar.exceptions import ClientException, HTTPException
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from runtime.logs import Log
from services.health.http import schemas

log = Log("mnemo.health.api")

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
PROBLEM = "application/problem+json"
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}

Asked = Request[Any, Any, Any]


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


def bearer(header: str) -> str:
    """The token of an `Authorization` header; "" without one. The scheme's case does not matter (RFC 9110, 11.1)."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


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


def only_for(hosts: set[str]) -> Callable[[ASGIApp], ASGIApp]:
    """Refuses requests under other names: a page that had its name rebound to this address reads nothing."""

    def around(app: ASGIApp) -> ASGIApp:
        async def checked(scope: Scope, receive: Receive, send: Send) -> None:
            given = dict(scope.get("headers", [])).get(b"host", b"").decode("latin-1")
            if scope["type"] != ScopeType.HTTP or re.sub(r":\d*$", "", given).lower() in hosts:
                await app(scope, receive, send)
                return
            problem = schemas.Problem(400, TITLES[400], "this name is not served; see MNEMO_HEALTH_ALLOWED_HOSTS")
            refusal = ASGIResponse(
                body=msgspec.json.encode(problem), status_code=400, media_type=PROBLEM, headers=SECURITY
            )
            await refusal(scope, receive, send)

        return checked

    return around


def json_answer(body: bytes, status: int = 200, kind: str = "application/json") -> Response[bytes]:
    return Response(body, status_code=status, media_type=kind, headers={"Cache-Control": "no-store"})


def http_problem(_: Asked, error: HTTPException) -> Response[bytes]:
    """A refusal as a problem document."""
    detail = error.detail
    if isinstance(error, ClientException) and isinstance(error.extra, list) and error.extra:
        told = [f"{one.get('key', '')}: {one.get('message', '')}" for one in error.extra if isinstance(one, dict)]
        detail = "; ".join(told) or detail
    return _refusal(error.status_code, detail, dict(error.headers or {}))


def bug(_: Asked, error: Exception) -> Response[bytes]:
    """What should not happen: in the log whole, outside without a word of the inside."""
    log.error("request failed", error=f"{type(error).__name__}: {error}")
    return _refusal(500, "a fault of this service; see its log", {})


def _refusal(status: int, detail: str, headers: dict[str, str]) -> Response[bytes]:
    title = TITLES.get(status, "Error")
    body = msgspec.json.encode(schemas.Problem(status, title, detail))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    headers = {"Cache-Control": "no-store", **SECURITY, **headers}
    return Response(body, status_code=status, media_type=PROBLEM, headers=headers)
