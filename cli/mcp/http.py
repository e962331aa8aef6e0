"""MCP over HTTP (streamable HTTP): on loopback, and only with the token."""

from __future__ import annotations

import hmac

import uvicorn
from mcp.server import MCPServer
from starlette.types import ASGIApp, Receive, Scope, Send

PATH = "/mcp"


class Guarded:
    """Refuses requests without the token, before anything reads them."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the start and end of the server."""
        if scope["type"] == "http" and not self._allowed(scope):
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"www-authenticate", b"Bearer")]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            body = b"send `Authorization: Bearer TOKEN`; `mnemo mcp --http` says where the token is\n"
            await send({"type": "http.response.body", "body": body})
            return
        await self._app(scope, receive, send)

    def _allowed(self, scope: Scope) -> bool:
        sent = dict(scope["headers"]).get(b"authorization", b"")
        return hmac.compare_digest(sent, self._expected)


def server(tools: MCPServer, token: str, port: int) -> uvicorn.Server:
    """Not running yet. Other names than loopback's are refused by the SDK, which hinders pages of other sites."""
    app = Guarded(tools.streamable_http_app(streamable_http_path=PATH, stateless_http=True, json_response=True), token)
    return uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", access_log=False))
