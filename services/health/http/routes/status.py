"""Routes about the state of the system: liveness, readiness, health, counts, ledger."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from litestar import Controller, Response, get

from mnemostream.contracts.http.archive import Hosts
from mnemostream.contracts.http.health import Alive, Health, Ledger, Ready, Stats
from mnemostream.services.health.http.bodies import examples
from mnemostream.services.health.http.bodies import status as bodies
from mnemostream.services.health.http.bodies.hosts import hosts
from mnemostream.services.health.http.openapi import CLOSED, SECURED, STARTING, spec
from mnemostream.services.health.http.problems import AnyRequest, accepts, json_answer
from mnemostream.services.health.http.routes.provided import Cache, May
from mnemostream.services.health.judge.snapshot import NOT_ASKED

HEALTH_JSON = "application/health+json"


class Status(Controller):
    """Open to everybody who reaches the port: without the token, answers leave out names of files, paths and errors."""

    path = "/"

    @get("/livez", sync_to_thread=False, responses={200: spec(Alive, Alive(), "Alive")})
    def livez(self) -> Response[bytes]:
        """The event loop runs."""
        return json_answer(b'{"status":"alive"}')

    @get(
        "/readyz",
        sync_to_thread=False,
        responses={
            200: spec(Ready, examples.READY, "NATS and the database were reachable at the last check"),
            503: spec(Ready, Ready(False, "timeout", "ok"), "At least one was unreachable or has not been checked yet"),
        },
    )
    def readyz(self, request: AnyRequest, cache: Cache, access: May) -> Response[bytes]:
        """Readiness: NATS and the database were reachable at the last check."""
        if cache.snapshot is None:
            return json_answer(msgspec.json.encode(Ready(False, NOT_ASKED, NOT_ASKED)), 503)
        body = cache.answer("readyz", bodies.ready, names=access.to_names(request))
        return json_answer(body, 200 if bodies.ready(cache.snapshot).ready else 503)

    @get(
        "/v1/autosave/health",
        sync_to_thread=False,
        responses={
            200: spec(Health, examples.HEALTH, "Healthy or degraded"),
            503: spec(Health, examples.UNHEALTHY, "Unhealthy or unknown"),
        },
    )
    def health(self, request: AnyRequest, cache: Cache, access: May) -> Response[bytes]:
        """Status of all stages; 200 when healthy or degraded, 503 otherwise. Sent as `application/health+json` if the
        client accepts it."""
        accepted = accepts(request.headers.get("accept", ""), HEALTH_JSON)
        kind = HEALTH_JSON if accepted else "application/json"
        if cache.snapshot is None:
            answer = json_answer(msgspec.json.encode(examples.starting(_now())), 503, kind)
        else:
            body = cache.answer("health", bodies.health, names=access.to_names(request))
            answer = json_answer(body, bodies.http_status(cache.snapshot), kind)
        answer.headers["Vary"] = "Accept"
        return answer

    @get(
        "/v1/autosave/stats",
        sync_to_thread=False,
        responses={200: spec(Stats, examples.STATS, "Counts"), **STARTING},
    )
    def stats(self, request: AnyRequest, cache: Cache, access: May) -> Response[bytes]:
        """Counts, coverage by model, streams."""
        return json_answer(cache.answer("stats", bodies.stats, names=access.to_names(request)))

    @get(
        "/v1/autosave/ledger",
        sync_to_thread=False,
        responses={200: spec(Ledger, examples.LEDGER, "The ledger"), **STARTING},
    )
    def ledger(self, request: AnyRequest, cache: Cache, access: May) -> Response[bytes]:
        """Ledger: on disk = captured = published = stored; texts = embedded. Each step with its gap."""
        return json_answer(cache.answer("ledger", bodies.ledger, names=access.to_names(request)))

    @get(
        "/v1/autosave/hosts",
        sync_to_thread=False,
        security=SECURED,
        responses={200: spec(Hosts, examples.HOSTS, "All machines"), **CLOSED, **STARTING},
    )
    def hosts(self, request: AnyRequest, cache: Cache, access: May) -> Response[bytes]:
        """Machines whose transcripts are here, edges among them: what of each is archived, and how its watcher is."""
        access.to_content(request)
        return json_answer(msgspec.json.encode(hosts(cache.current())))


def _now() -> float:
    return datetime.now(UTC).timestamp()  # noqa: TID251 - a stamp of an answer without a snapshot
