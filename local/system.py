"""The whole system as child processes on one data folder: servers, one-shots, the four services."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from mnemostream.contracts.events import Stage
from mnemostream.local import contexts, endpoints, folder, guard, logs, nats_conf
from mnemostream.local.child import Child, Spec, once
from mnemostream.local.endpoints import Endpoints
from mnemostream.local.nats_server import Nats
from mnemostream.local.parts import servers, specs
from mnemostream.local.parts.plan import HEALTH_PORT as HEALTH_PORT
from mnemostream.local.parts.plan import NATS_PORT as NATS_PORT
from mnemostream.local.parts.plan import POSTGRES_PORT as POSTGRES_PORT
from mnemostream.local.parts.plan import Plan as Plan
from mnemostream.local.parts.plan import env_of, host_of, listed_of
from mnemostream.local.parts.servers import AnyNats, AnyPostgres
from mnemostream.local.ports import free_port
from mnemostream.local.postgres.server import Postgres
from mnemostream.local.secrets import DAMAGED, Secrets
from mnemostream.runtime.tasks import cancel_and_wait

API_SOCKET = "health.sock"


class System:
    """What runs, by name."""

    def __init__(self, endpoints: Endpoints, children: dict[str, Child]) -> None:
        self.endpoints = endpoints
        self.children = children

    @property
    def fatal(self) -> str:
        """Why a child that saving needs stays down; "" while all is well."""
        unkept = (child.unkept for child in self.children.values() if child.unkept)
        return next(unkept, next((why for name, why in self._down() if not name.startswith(Stage.EMBEDDER)), ""))

    @property
    def not_embedding(self) -> str:
        """Why nothing is embedded; "" while an embedder runs, or may run. Saving goes on without."""
        down = {name: why for name, why in self._down() if name.startswith(Stage.EMBEDDER)}
        names = [name for name in self.children if name.startswith(Stage.EMBEDDER)]
        if not names:
            return "no embedder runs: --embedders 0, or no model (`mnemo model install`, then start again)"
        return next(iter(down.values())) if len(down) == len(names) else ""

    def _down(self) -> list[tuple[str, str]]:
        return [(name, f"{name}: {child.fatal}") for name, child in self.children.items() if child.fatal]


@asynccontextmanager
async def running(plan: Plan, say: Callable[[str], None]) -> AsyncIterator[System]:
    """Starts everything in order of need and stops it in reverse.

    Raises Busy, or RuntimeError with the end of the log of what did not start.
    """
    children: dict[str, Child] = {}
    async with AsyncExitStack() as stack:
        secrets = _claimed(plan.data, stack)
        say = logs.kept(say, plan.data / "logs" / "mnemo.log")
        if (plan.data / DAMAGED).exists():
            say("secrets.json was damaged: new passwords are made")

        def port(name: str, wanted: int) -> int:
            claim = free_port(wanted)
            stack.callback(claim.close)
            if wanted and claim.number != wanted:
                say(f"port {wanted} is in use; {name} listens on {claim.number}")
            return claim.number

        async def start(spec: Spec) -> Child:
            child = children[spec.name] = Child(spec, say)
            await child.start()
            return child

        nats, postgres = servers.chosen(plan, secrets, port)
        folder.prepare(plan.data, passed_through=isinstance(postgres, Postgres) and postgres.passed_through)
        sockets = folder.socket_folder(plan.data / folder.RUN)
        stack.callback(_left, sockets, postgres)
        health_port = port("health", plan.health_port)
        stack.push_async_callback(cancel_and_wait, asyncio.create_task(logs.bounded(plan.data / "logs"), name="logs"))
        if isinstance(nats, Nats):
            stack.push_async_callback((await start(nats.spec())).stop)
        if isinstance(postgres, Postgres):
            stack.push_async_callback((await start(await asyncio.to_thread(postgres.prepare))).stop)
        await servers.answering(plan, nats, postgres, children, secrets)
        one_shots = specs.one_shots(plan, nats, postgres, secrets)
        for spec in one_shots:
            await once(spec)
        services: list[Child] = []
        stack.push_async_callback(_stop_all, services)  # side by side: one that hangs does not add to the others
        for spec in specs.services(plan, nats, postgres, (health_port, sockets / API_SOCKET), secrets):
            services.append(await start(spec))
        if plan.guard:
            again = partial(once, one_shots[0])
            looks = guard.watch(children, nats, postgres, plan.data / folder.RUN, again, say)
            stack.push_async_callback(cancel_and_wait, *looks)
        where = _endpoints(plan, nats, postgres, (health_port, sockets / API_SOCKET), secrets)
        stack.callback(contexts.remove, plan.data)
        _told(plan.data, where, nats)
        yield System(where, children)


def _claimed(data: Path, stack: AsyncExitStack) -> Secrets:
    """The folder is ours until the end, and private; nothing of an earlier start holds. Raises Busy."""
    folder.owned(data)
    stack.callback(os.umask, os.umask(folder.PRIVATE))  # of all that is made from here on, by the children too
    (data / "logs").mkdir(parents=True, exist_ok=True)
    stack.callback(folder.lock(data).close)
    endpoints.remove(data)
    stack.callback(endpoints.remove, data)
    shutil.rmtree(data / folder.RESTORING, ignore_errors=True)  # of a restore that was killed
    folder.host_name(data)  # before there are streams: a folder with streams and no name is one of a former version
    return Secrets.renewed(data)


def _left(sockets: Path, postgres: AnyPostgres) -> None:
    """Nothing stays among the temporary folders."""
    folder.left(sockets)
    postgres.left()


def _told(data: Path, where: Endpoints, nats: AnyNats) -> None:
    """Who wants to reach it finds it from here on."""
    if isinstance(nats, Nats):  # of another server, `mnemo nats-context` makes one from the address
        contexts.write(data, nats)
    endpoints.write(data, where)


def _endpoints(plan: Plan, nats: AnyNats, postgres: AnyPostgres, api: tuple[int, Path], secrets: Secrets) -> Endpoints:
    include, exclude = (listed_of(plan, name) for name in endpoints.LISTS[1:])
    return Endpoints(
        nats.url(nats_conf.OPERATOR),
        postgres.dsn(),
        f"http://127.0.0.1:{api[0]}",
        env_of(plan, "MNEMO_HEALTH_TOKEN") or secrets.health,
        tuple(map(str, plan.roots)),
        include,
        exclude,
        nats.url(nats_conf.READER),
        postgres.dsn("mnemo_reader"),
        str(api[1]),
        env_of(plan, "MNEMO_REDACT") or "",
        host_of(plan),
        nats_elsewhere=bool(plan.nats_url),
    )


async def _stop_all(children: Sequence[Child]) -> None:
    await asyncio.gather(*(child.stop() for child in children))
