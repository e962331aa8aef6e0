"""Who may ask: names that are served, and the token for everything that shows content or changes something."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping

import msgspec
from litestar.enums import ScopeType
from litestar.exceptions import NotAuthorizedException
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp, Receive, Scope, Send

from mnemostream.contracts.http.health import Problem
from mnemostream.services.health.http.masks import Masks
from mnemostream.services.health.http.problems import PROBLEM, SECURITY, AnyRequest
from mnemostream.services.health.settings import Settings

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Access:
    """What a request may do."""

    def __init__(self, settings: Settings) -> None:
        self._token = settings.token.encode()
        self.masks = Masks(settings.secret_rules)
        """How content is shown to those who may read it."""
        self._hint = "send `Authorization: Bearer <MNEMO_HEALTH_TOKEN>`"
        if not settings.token:
            self._hint = "the service has no token; set MNEMO_HEALTH_TOKEN"

    def to_names(self, request: AnyRequest) -> bool:
        """Reading names of files, paths and texts of errors; without the token the open answers leave them out."""
        return self._has_token(request)

    def to_content(self, request: AnyRequest) -> None:
        """Reading what people wrote, on loopback too: other users of a machine reach its ports.

        Raises NotAuthorizedException.
        """
        if not self._has_token(request):
            raise NotAuthorizedException(f"access to content requires the token: {self._hint}")

    def to_change(self, request: AnyRequest, what: str) -> None:
        """Changing something. Raises NotAuthorizedException."""
        if not self._has_token(request):
            raise NotAuthorizedException(f"a {what} requires the token: {self._hint}")

    def _has_token(self, request: AnyRequest) -> bool:
        sent = bearer(request.headers.get("authorization", ""))
        return bool(self._token) and hmac.compare_digest(sent.encode(), self._token)


def bearer(header: str) -> str:
    """The token of an `Authorization` header; "" without one. The scheme's case does not matter (RFC 9110, 11.1)."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def guards(settings: Settings) -> list[Callable[[ASGIApp], ASGIApp]]:
    """Middleware that refuses requests of other sites, and under other names than those of the settings."""
    hosts = {*(host.lower() for host in settings.allowed_hosts), *LOOPBACK}
    anywhere = "*" in hosts or (not settings.open and not settings.allowed_hosts)
    return [own_site, *([] if anywhere else [only_for(hosts)])]


def own_site(app: ASGIApp) -> ASGIApp:
    """Refuses what pages of other sites ask for, before any work: they cannot read the answers, but would take the
    slots of event streams. A person who follows a link may come from anywhere.

    https://www.w3.org/TR/fetch-metadata/
    """

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope.get("headers", [])}
        if scope["type"] == ScopeType.HTTP and _foreign(headers, scope["method"]):
            await _refusal(403, "Forbidden", "pages of other sites are not answered")(scope, receive, send)
            return
        await app(scope, receive, send)

    return checked


def _foreign(headers: Mapping[bytes, str], method: str) -> bool:
    """True for a request that another site's page has made."""
    site = headers.get(b"sec-fetch-site", "none")
    followed = headers.get(b"sec-fetch-mode") == "navigate" and headers.get(b"sec-fetch-dest") == "document"
    if site not in ("none", "same-origin"):
        return not (followed and method in ("GET", "HEAD"))
    origin = headers.get(b"origin", "")
    return bool(origin) and origin.partition("://")[2].lower() != headers.get(b"host", "").lower()


def _refusal(status: int, title: str, detail: str) -> ASGIResponse:
    body = msgspec.json.encode(Problem(status, title, detail))
    return ASGIResponse(body=body, status_code=status, media_type=PROBLEM, headers=SECURITY)


def only_for(hosts: set[str]) -> Callable[[ASGIApp], ASGIApp]:
    """Refuses requests under other names: a page that had its name rebound to this address reads nothing."""

    def around(app: ASGIApp) -> ASGIApp:
        async def checked(scope: Scope, receive: Receive, send: Send) -> None:
            host = dict(scope.get("headers", [])).get(b"host", b"").decode("latin-1")
            if scope["type"] != ScopeType.HTTP or re.sub(r":\d*$", "", host).lower() in hosts:
                await app(scope, receive, send)
                return
            detail = "host name not allowed; see MNEMO_HEALTH_ALLOWED_HOSTS"
            await _refusal(400, "Bad Request", detail)(scope, receive, send)

        return checked

    return around
