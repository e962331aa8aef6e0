"""Three nats-servers of one cluster on loopback, with the configuration that `mnemo up` writes."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from mnemostream.local import nats_conf
from mnemostream.local.child import Child, Spec
from mnemostream.local.secrets import Secrets
from mnemostream.runtime import bus, provision
from mnemostream.runtime.errors import MnemoError
from tests.conftest import eventually, some_port
from tests.proxy import Proxy
from tests.proxy import opened as proxied


class Cluster:
    """Use `opened`."""

    def __init__(self, passwords: dict[str, str]) -> None:
        self.passwords = passwords
        self.children: list[Child] = []
        self.proxies: list[Proxy] = []
        """In front of the client port of each server."""

    def url(self, user: str, only: int | None = None) -> str:
        """Addresses of all servers, or of one, through the proxies."""
        chosen = self.proxies if only is None else [self.proxies[only]]
        return ",".join(f"nats://{user}:{self.passwords[user]}@127.0.0.1:{proxy.port}" for proxy in chosen)

    async def leader(self, stream: str, consumer: str = "") -> int:
        """Number of the server that leads a stream."""
        async with bus.connect(self.url("operator"), "leader") as operator:
            info = await operator.stream.stream_info(stream)
        return int(info.cluster.leader.removeprefix("n"))


@asynccontextmanager
async def opened(folder: Path, delay: float = 0.0) -> AsyncIterator[Cluster]:
    """A cluster that is up; streams are not made yet."""
    cluster = Cluster(Secrets.of(folder).nats)
    ports = [some_port() for _ in range(3)]
    routes = [f"127.0.0.1:{some_port()}" for _ in range(3)]
    binary = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or "nats-server"
    async with AsyncExitStack() as stack:
        for number, port in enumerate(ports):
            home = folder / f"n{number}"
            home.mkdir()
            text = nats_conf.render(
                listen=f"127.0.0.1:{port}",
                store=str(home / "store"),
                passwords=cluster.passwords,
                cluster=nats_conf.Cluster(f"n{number}", routes[number], tuple(routes)),
            )
            # Clients come through the proxies, and must not be told of the ports behind them.
            text = text.replace("cluster {\n", "cluster {\n  no_advertise: true\n")
            (home / "nats.conf").write_text(text)
            child = Child(Spec(f"n{number}", [binary, "-c", str(home / "nats.conf")], {}, home / "nats.log"), print)
            cluster.children.append(child)
            await child.start()
            stack.push_async_callback(child.stop)
            cluster.proxies.append(await stack.enter_async_context(proxied(port, delay)))
        yield cluster


async def provisioned(cluster: Cluster) -> None:
    """Streams with three copies, as soon as the cluster has its own leader."""

    async def made() -> None:
        try:
            settings = provision.Settings(nats_url=cluster.url("operator"), stream_replicas=3)
            await provision.main(settings, asyncio.Event())
        except MnemoError as error:
            raise AssertionError(error) from error

    await eventually(made, 60)
