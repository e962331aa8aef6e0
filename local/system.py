"""The whole system as child processes on one data folder: servers, one-shots, the four services."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import IO

import msgspec

from contracts.events import Stage
from contracts.sources import Root
from contracts.topology import DEFAULT_MODEL
from local import endpoints, guard
from local.child import Child, Spec, once, service_env
from local.endpoints import Endpoints
from local.nats_server import Nats
from local.ports import free_port
from local.postgres_server import Postgres
from local.secrets import Secrets
from runtime.tasks import cancel_and_wait

NATS_PORT = 4222
HEALTH_PORT = 8001
POSTGRES_PORT = 54329
RUN = "run"
"""Folder of the signs of life, in the data folder."""


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


class Busy(Exception):
    """Another process runs on the same data folder."""


class System:
    """What runs, by name."""

    def __init__(self, endpoints: Endpoints, children: dict[str, Child]) -> None:
        self.endpoints = endpoints
        self.children = children

    @property
    def fatal(self) -> str:
        """Why a child that saving needs stays down; "" while all is well."""
        return next((why for name, why in self._down() if not name.startswith(Stage.EMBEDDER)), "")

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
    (plan.data / "logs").mkdir(parents=True, exist_ok=True)
    (plan.data / RUN).mkdir(exist_ok=True)
    plan.data.chmod(0o711 if os.geteuid() == 0 else 0o700)  # as root, PostgreSQL's own user must get through
    lock = _lock(plan.data)
    secrets = Secrets.of(plan.data)
    children: dict[str, Child] = {}
    async with AsyncExitStack() as stack:
        stack.callback(lock.close)

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
        health_port = port("health", plan.health_port)
        stack.push_async_callback((await start(nats.spec())).stop)
        stack.push_async_callback((await start(await asyncio.to_thread(postgres.prepare))).stop)
        await nats.ready()
        await postgres.ready()
        one_shots = _one_shots(plan, nats, postgres, secrets)
        for spec in one_shots:
            await once(spec)
        services: list[Child] = []
        stack.push_async_callback(_stop_all, services)  # side by side: one that hangs does not add to the others
        for spec in _services(plan, nats, postgres, health_port, secrets):
            services.append(await start(spec))
        if plan.guard:
            again = partial(once, one_shots[0])
            looks = guard.watch(children, nats, postgres, plan.data / RUN, again, say)
            stack.push_async_callback(cancel_and_wait, *looks)
        health_url = f"http://127.0.0.1:{health_port}"
        token = env_of(plan, "MNEMO_HEALTH_TOKEN") or secrets.health
        lists = (_listed(plan, name) for name in endpoints.LISTS[1:])
        where = Endpoints(nats.url("operator"), postgres.dsn(), health_url, token, tuple(map(str, plan.roots)), *lists)
        endpoints.write(plan.data, where)
        yield System(where, children)


def _lock(data: Path) -> IO[str]:
    handle = open(data / "lock", "w")  # noqa: SIM115 - held as long as the system runs
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        raise Busy(f"another `mnemo up` is running on {data}") from error
    return handle


def in_use(data: Path) -> bool:
    """True while a `mnemo up` runs on this data folder."""
    if not (data / "lock").exists():
        return False
    try:
        _lock(data).close()
    except Busy:
        return True
    except OSError:
        pass  # not ours to look at
    return False


async def _stop_all(children: Sequence[Child]) -> None:
    await asyncio.gather(*(child.stop() for child in children))


def _listed(plan: Plan, name: str) -> tuple[str, ...]:
    return tuple(filter(None, env_of(plan, name).split(os.pathsep)))


def env_of(plan: Plan, name: str) -> str:
    """A variable as the services will see it."""
    return plan.settings.get(name) or os.environ.get(name, "")


def python(module: str) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", module]


def _one_shots(plan: Plan, nats: Nats, postgres: Postgres, secrets: Secrets) -> list[Spec]:
    logs = plan.data / "logs"
    model = env_of(plan, "MNEMO_EMBEDDER_MODEL") or DEFAULT_MODEL
    bus = service_env({"MNEMO_NATS_URL": nats.url("operator"), "MNEMO_EMBEDDER_MODEL": model})
    database = service_env(
        {
            "MNEMO_POSTGRES_DSN": postgres.dsn(),
            "MNEMO_WRITER_PASSWORD": secrets.writer,
            "MNEMO_READER_PASSWORD": secrets.reader,
            "MNEMO_EMBEDDER_MODEL": model,
        }
    )
    return [
        Spec("provision", python("runtime.provision"), bus, logs / "provision.log"),
        Spec("migrate", python("services.writer.migrate"), database, logs / "migrate.log"),
    ]


def _services(plan: Plan, nats: Nats, postgres: Postgres, health_port: int, secrets: Secrets) -> list[Spec]:
    nats = Nats(plan.data, plan.nats_via or nats.port, secrets.nats)
    postgres = Postgres(plan.data, plan.postgres_via or postgres.port, secrets)
    threads = str(max(1, (os.cpu_count() or 1) // max(1, plan.embedders)))
    own: list[tuple[str, Stage, dict[str, str]]] = [
        ("health", Stage.HEALTH, {"MNEMO_POSTGRES_DSN": postgres.dsn("mnemo_reader")}),
        ("writer", Stage.WRITER, {"MNEMO_POSTGRES_DSN": postgres.dsn("mnemo_writer")}),
        ("watcher", Stage.WATCHER, {"MNEMO_WATCHER_ROOTS": os.pathsep.join(map(str, plan.roots))}),
    ]
    own[0][2].update(
        {
            "MNEMO_HEALTH_PORT": str(health_port),
            "MNEMO_HEALTH_TOKEN": env_of(plan, "MNEMO_HEALTH_TOKEN") or secrets.health,
            "MNEMO_HEALTH_SYSTEM_URL": nats.url("system"),
            "MNEMO_HEALTH_DISKS": os.pathsep.join(f"{name}={plan.data / name}" for name in ("nats", "postgres")),
        }
    )
    if float(env_of(plan, "MNEMO_HEALTH_CANARY_SECONDS") or 0):
        own[0][2]["MNEMO_HEALTH_CANARY_FOLDER"] = own[2][2]["MNEMO_WATCHER_CANARY_FOLDER"] = str(plan.data / "canary")
    for number in range(plan.embedders):
        own.append((f"embedder-{number}", Stage.EMBEDDER, {"MNEMO_EMBEDDER_THREADS": threads}))
    specs = []
    for name, stage, extra in own:
        common = {
            "MNEMO_NATS_URL": nats.url(stage),
            "MNEMO_INSTANCE": name,
            "MNEMO_PARENT_PID": str(os.getpid()),
            "MNEMO_ALIVE_FILE": str(plan.data / RUN / f"{name}.alive"),
            "MALLOC_ARENA_MAX": "2",
            "TQDM_DISABLE": "1",
        }
        env = service_env({**common, **extra, **plan.settings})
        specs.append(Spec(name, python(f"services.{stage}.main"), env, plan.data / "logs" / f"{name}.log"))
    return specs
