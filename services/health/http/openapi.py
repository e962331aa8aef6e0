"""What the OpenAPI document says about answers, with an example of each."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import MediaType
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import Components, Example, SecurityScheme

from mnemostream.contracts.http.health import Problem
from mnemostream.runtime.heartbeat import service_version
from mnemostream.services.health.http import reference
from mnemostream.services.health.http.problems import PROBLEM, AnyRequest


def spec(kind: type[msgspec.Struct], example: msgspec.Struct, description: str) -> ResponseSpec:
    """A JSON answer of this type."""
    shown = Example(summary=description, value=msgspec.to_builtins(example))
    return ResponseSpec(kind, description=description, examples=[shown], generate_examples=False)


def text(description: str, kind: str) -> ResponseSpec:
    """A text of this media type."""
    return ResponseSpec(str, description=description, media_type=kind, generate_examples=False)


def problem(status: int, title: str) -> ResponseSpec:
    """A refusal."""
    example = Example(summary=title, value={"status": status, "title": title, "detail": "…"})
    return ResponseSpec(Problem, description=title, media_type=PROBLEM, examples=[example], generate_examples=False)


STARTING = {503: problem(503, "Service Unavailable")}
CLOSED = {401: problem(401, "Unauthorized")}
BAD = {400: problem(400, "Bad Request")}
MISSING = {404: problem(404, "Not Found")}
BUSY = {429: problem(429, "Too Many Requests")}
SECURED: list[dict[str, list[str]]] = [{"token": []}]


class Reference(OpenAPIRenderPlugin):
    """The document as a page."""

    def render(self, request: AnyRequest, openapi_schema: dict[str, Any]) -> bytes:
        """Nothing is loaded from elsewhere."""
        return reference.page(openapi_schema).encode()


def config() -> OpenAPIConfig:
    """The document at /schema."""
    return OpenAPIConfig(
        title="Mnemostream",
        version=service_version(),
        description="Health of the transcript pipeline, and search in what it has saved. Errors are RFC 9457 problems.",
        path="/schema",
        use_handler_docstrings=True,
        render_plugins=[Reference(path="/"), JsonRenderPlugin(path="/openapi.json", media_type=MediaType.JSON)],
        components=Components(security_schemes={"token": SecurityScheme(type="http", scheme="bearer")}),
    )
