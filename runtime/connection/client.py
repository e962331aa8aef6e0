"""The client of nats-py, with what it lacks (2.16)."""

from __future__ import annotations

from typing import Any

from nats.aio.client import Client as NatsClient

from mnemostream.runtime.connection import peer


class Client(NatsClient):  # type: ignore[misc]  # the library is untyped
    """Looks who is at the other end, and encrypts whenever the address says so."""

    owner: int | None = None
    """User id that must own the server; None = any."""
    encrypted = False
    """True: nothing is sent without TLS. The library does what the server says it wants: whoever stands between could
    say no, and have the password."""

    async def _process_connect_init(self) -> None:
        """After the connection is made and before anything is sent."""
        connection = self._transport._io_writer.get_extra_info("socket")
        if self.owner is not None and not peer.is_owned(connection, self.owner):
            raise ConnectionRefusedError("another user's program listens on the port of NATS")
        await super()._process_connect_init()

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        """What the server said first."""
        if self.encrypted and initial_connection:
            info["tls_required"] = True
        await super()._process_info(info, initial_connection=initial_connection)

    def _build_message(self, sid: int, subject: bytes, reply: bytes, *rest: Any) -> Any:
        """A subject that is no UTF-8, which anybody may publish under, would end the library's only reader."""
        told = (name.decode("utf-8", "replace").encode() for name in (subject, reply))
        return super()._build_message(sid, *told, *rest)

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        """What the library's own does, without a look at every single character of every name: a watcher that starts
        reads the headers of all transcripts."""
        found: dict[str, str] = {}
        for line in raw.split(b"\r\n"):
            name, colon, value = line.partition(b":")
            name = name.strip()
            if not colon or not name.isascii():
                continue
            key = name.decode("ascii")
            if not key or key.split() == [key]:  # no white space within
                found[key] = value.strip().decode("utf-8", "replace")
        return found

    async def _select_next_server(self) -> None:
        """The library drops the socket of an attempt to reconnect that nobody answered: it stays open until the garbage
        collector comes, and the server keeps a client that is none."""
        self.drop()
        await super()._select_next_server()

    def drop(self) -> None:
        """Closes what is still open."""
        if self._transport is not None:
            self._transport.close()
