"""The whole system as child processes on one data folder: servers, one-shots, the four services."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec

from mnemostream.contracts.events import Stage
from mnemostream.contracts.sources import Root
from mnemostream.contracts.topology import DEFAULT_MODEL
from mnemostream.local import contexts, endpoints, folder, guard, logs, nats_conf
from mnemostream.local.child import Child, Spec, once, service_env
from mnemostream.local.endpoints import Endpoints
from mnemostream.local.nats_server import Nats
from mnemostream.local.ports import free_port
from mnemostream.local.postgres.server import Postgres
from mnemostream.local.secrets import DAMAGED, Secrets
from mnemostream.runtime.process.command import python
from mnemostream.runtime.process.cores import cores
from mnemostream.runtime.settings import joined, listed
from mnemostream.runtime.tasks import cancel_and_wait

NATS_PORT = 4222
HEALTH_PORT = 8001
POSTGRES_PORT = 54329
API_SOCKET = "health.sock"


class Plan(msgspec.Struct, frozen=True):
    """What to run. `settings` are extra environment variables for the services."""

    data: Path
    roots: Sequence[Path | Root]
    embedders: int = 1
    nats_port: int = NATS_PORT
    health_port: int = HEALTH_PORT
    postgres_port: int = POSTGRES_PORT
    settings: Mapping[str, str] = {}
    nats_via: int = 0
    postgres_via: int = 0
    """Ports at which the services reach the servers, for a proxy in between; 0 = the servers' own."""
    guard: bool = True
    """Kill and start again what hangs; false where a drill wants to see it hang."""


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
            return "no embedders requested (--embedders 0)"
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

        nats = Nats(plan.data, port("NATS", plan.nats_port), secrets.nats)
        postgres = Postgres(plan.data, port("PostgreSQL", plan.postgres_port), secrets)
        folder.prepare(plan.data, passed_through=postgres.user is not None and postgres.home == plan.data)
        sockets = folder.socket_folder(plan.data / folder.RUN)
        stack.callback(_left, sockets, postgres)
        health_port = port("health", plan.health_port)
        stack.push_async_callback(cancel_and_wait, asyncio.create_task(logs.bounded(plan.data / "logs"), name="logs"))
        stack.push_async_callback((await start(nats.spec())).stop)
        stack.push_async_callback((await start(await asyncio.to_thread(postgres.prepare))).stop)
        await nats.ready(children["nats"])
        await postgres.ready(children["postgres"])
        secrets.taken(plan.data)
        one_shots = _one_shots(plan, nats, postgres, secrets)
        for spec in one_shots:
            await once(spec)
        services: list[Child] = []
        stack.push_async_callback(_stop_all, services)  # side by side: one that hangs does not add to the others
        for spec in _services(plan, nats, postgres, (health_port, sockets / API_SOCKET), secrets):
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


def _left(sockets: Path, postgres: Postgres) -> None:
    """Nothing stays among the temporary folders."""
    folder.left(sockets)
    postgres.left()


def _told(data: Path, where: Endpoints, nats: Nats) -> None:
    """Who wants to reach it finds it from here on."""
    contexts.write(data, nats)
    endpoints.write(data, where)


def _endpoints(plan: Plan, nats: Nats, postgres: Postgres, api: tuple[int, Path], secrets: Secrets) -> Endpoints:
    include, exclude = (_listed(plan, name) for name in endpoints.LISTS[1:])
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
        _host(plan),
    )


async def _stop_all(children: Sequence[Child]) -> None:
    await asyncio.gather(*(child.stop() for child in children))


def _listed(plan: Plan, name: str) -> tuple[str, ...]:
    return tuple(listed(env_of(plan, name)))


def _host(plan: Plan) -> str:
    return env_of(plan, "MNEMO_HOST") or folder.host_name(plan.data)


def env_of(plan: Plan, name: str) -> str:
    """A variable as the services will see it."""
    return plan.settings.get(name) or os.environ.get(name, "")


def _one_shots(plan: Plan, nats: Nats, postgres: Postgres, secrets: Secrets) -> list[Spec]:
    places = plan.data / "logs"
    model = env_of(plan, "MNEMO_EMBEDDER_MODEL") or DEFAULT_MODEL
    bus = service_env({"MNEMO_NATS_URL": nats.own_url("operator"), "MNEMO_EMBEDDER_MODEL": model})
    database = service_env(
        {
            "MNEMO_POSTGRES_DSN": postgres.dsn(),
            "MNEMO_WRITER_PASSWORD": secrets.writer,
            "MNEMO_READER_PASSWORD": secrets.reader,
            "MNEMO_EMBEDDER_MODEL": model,
        }
    )
    return [
        Spec("provision", python("mnemostream.runtime.provision"), bus, places / "provision.log"),
        Spec("migrate", python("mnemostream.services.writer.migrate"), database, places / "migrate.log"),
    ]


def _services(plan: Plan, nats: Nats, postgres: Postgres, api: tuple[int, Path], secrets: Secrets) -> list[Spec]:
    """`api` is the port and the socket of the health service."""
    nats = Nats(plan.data, plan.nats_via or nats.port, secrets.nats)
    postgres = postgres.through(plan.postgres_via)
    threads = str(max(1, cores() // max(1, plan.embedders)))
    own: list[tuple[str, Stage, dict[str, str]]] = [
        ("health", Stage.HEALTH, {"MNEMO_POSTGRES_DSN": postgres.dsn("mnemo_reader")}),
        ("writer", Stage.WRITER, {"MNEMO_POSTGRES_DSN": postgres.dsn("mnemo_writer")}),
        ("watcher", Stage.WATCHER, {"MNEMO_WATCHER_ROOTS": joined(map(str, plan.roots)), "MNEMO_HOST": _host(plan)}),
    ]
    own[0][2].update(
        {
            "MNEMO_HEALTH_PORT": str(api[0]),
            "MNEMO_HEALTH_SOCKET": str(api[1]),
            "MNEMO_HEALTH_TOKEN": env_of(plan, "MNEMO_HEALTH_TOKEN") or secrets.health,
            "MNEMO_HEALTH_SYSTEM_URL": nats.own_url("system"),
            "MNEMO_HEALTH_DISKS": joined(f"{name}={plan.data / name}" for name in ("nats", "postgres")),
        }
    )
    if float(env_of(plan, "MNEMO_HEALTH_CANARY_SECONDS") or 0):
        own[0][2]["MNEMO_HEALTH_CANARY_FOLDER"] = own[2][2]["MNEMO_WATCHER_CANARY_FOLDER"] = str(plan.data / "canary")
    for number in range(plan.embedders):
        own.append((f"embedder-{number}", Stage.EMBEDDER, {"MNEMO_EMBEDDER_THREADS": threads}))
    specs = []
    for name, stage, extra in own:
        common = {
            "MNEMO_NATS_URL": nats.own_url(stage),
            "MNEMO_INSTANCE": name if stage is Stage.EMBEDDER else f"{name}-0",
            "MNEMO_PARENT_PID": str(os.getpid()),
            "MNEMO_ALIVE_FILE": str(plan.data / folder.RUN / f"{name}.alive"),
            "MALLOC_ARENA_MAX": "2",
            "TQDM_DISABLE": "1",
        }
        env = service_env({**common, **extra, **plan.settings})
        specs.append(Spec(name, python(f"mnemostream.services.{stage}.main"), env, plan.data / "logs" / f"{name}.log"))
    return specs
