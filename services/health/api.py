"""The HTTP API. Every handler reads a finished snapshot; none does I/O."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Annotated, Any

from litestar import Litestar, Request, Response, get
from litestar.exceptions import NotAuthorizedException, ServiceUnavailableException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.params import Parameter

from runtime.heartbeat import service_version
from services.health import answers
from services.health.settings import Settings
from services.health.snapshot import Snapshot

RECENT_LIMIT = 100


def build(settings: Settings, latest: Callable[[], Snapshot | None]) -> Litestar:
    """The application over a function that gives the latest snapshot."""

    def current() -> Snapshot:
        snapshot = latest()
        if snapshot is None:
            raise ServiceUnavailableException("starting: nothing known yet")
        return snapshot

    def admitted(request: Request[Any, Any, Any]) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if settings.open or (settings.token and hmac.compare_digest(given.encode(), settings.token.encode())):
            return
        raise NotAuthorizedException("this shows content: send `Authorization: Bearer <MNEMO_HEALTH_TOKEN>`")

    @get("/livez", sync_to_thread=False)
    def livez() -> dict[str, str]:
        """The process turns."""
        return {"status": "alive"}

    @get("/readyz", sync_to_thread=False)
    def readyz() -> Response[dict[str, Any]]:
        """Bus and database were reachable at the last look."""
        snapshot = current()
        ready = not snapshot.bus.error and not snapshot.database_error
        content = {"ready": ready, "bus": snapshot.bus.error or "ok", "database": snapshot.database_error or "ok"}
        return Response(content, status_code=200 if ready else 503)

    @get("/v1/autosave/health", sync_to_thread=False)
    def health(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
        """Status of all stages; 200 when healthy or degraded, 503 otherwise."""
        snapshot = current()
        kind = "application/health+json"
        return Response(
            answers.health(snapshot),
            status_code=answers.http_status(snapshot),
            media_type=kind if kind in request.headers.get("accept", "") else "application/json",
            headers={"Cache-Control": "no-store"},
        )

    @get("/v1/autosave/stats", sync_to_thread=False)
    def stats() -> dict[str, Any]:
        """Counts and coverage."""
        return answers.stats(current())

    @get("/v1/autosave/ledger", sync_to_thread=False)
    def ledger() -> dict[str, Any]:
        """On disk = captured = published = stored; texts = embedded: each step with its gap."""
        return answers.ledger(current())

    @get("/v1/autosave/recent", sync_to_thread=False)
    def recent(
        request: Request[Any, Any, Any], limit: Annotated[int, Parameter(ge=1, le=RECENT_LIMIT)] = 20
    ) -> dict[str, Any]:
        """The newest conversations."""
        admitted(request)
        found = current().recent[:limit]
        return {"conversations": found, "count": len(found)}

    return Litestar(
        [livez, readyz, health, stats, ledger, recent],
        openapi_config=OpenAPIConfig(
            title="Mnemostream", version=service_version(), path="/schema", render_plugins=[SwaggerRenderPlugin()]
        ),
        logging_config=None,
    )
