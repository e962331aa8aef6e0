"""The one-shots and the four services as processes: their arguments and variables."""

from __future__ import annotations

import os
from pathlib import Path

from mnemostream.contracts.events import Stage
from mnemostream.contracts.topology import DEFAULT_MODEL
from mnemostream.local import folder
from mnemostream.local.child import Spec, service_env
from mnemostream.local.parts.plan import Plan, env_of, host_of
from mnemostream.local.parts.servers import AnyNats, AnyPostgres
from mnemostream.local.secrets import Secrets
from mnemostream.runtime.process.command import python
from mnemostream.runtime.process.cores import cores
from mnemostream.runtime.settings import joined


def one_shots(plan: Plan, nats: AnyNats, postgres: AnyPostgres, secrets: Secrets) -> list[Spec]:
    """Provisioning of NATS, migration of the database."""
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


def services(plan: Plan, nats: AnyNats, postgres: AnyPostgres, api: tuple[int, Path], secrets: Secrets) -> list[Spec]:
    """`api` is the port and the socket of the health service."""
    nats = nats.through(plan.nats_via)
    postgres = postgres.through(plan.postgres_via)
    threads = str(max(1, cores() // max(1, plan.embedders)))
    own: list[tuple[str, Stage, dict[str, str]]] = [
        ("health", Stage.HEALTH, {"MNEMO_POSTGRES_DSN": postgres.dsn("mnemo_reader")}),
        ("writer", Stage.WRITER, {"MNEMO_POSTGRES_DSN": postgres.dsn("mnemo_writer")}),
        ("watcher", Stage.WATCHER, {"MNEMO_WATCHER_ROOTS": joined(map(str, plan.roots)), "MNEMO_HOST": host_of(plan)}),
    ]
    own[2][2]["MNEMO_WATCHER_ROWS_FOLDER"] = str(plan.data / "rows")
    own[2][2]["MNEMO_WATCHER_IMPORTS_FOLDER"] = str(plan.data / folder.IMPORTS)
    own[0][2].update(
        {
            "MNEMO_HEALTH_PORT": str(api[0]),
            "MNEMO_HEALTH_SOCKET": str(api[1]),
            "MNEMO_HEALTH_TOKEN": env_of(plan, "MNEMO_HEALTH_TOKEN") or secrets.health,
            "MNEMO_HEALTH_SYSTEM_URL": nats.system_url,
            "MNEMO_HEALTH_DISKS": joined(f"{name}={plan.data / name}" for name in plan.own_servers),
        }
    )
    if not plan.embedders and not env_of(plan, "MNEMO_HEALTH_DESIRED"):
        own[0][2]["MNEMO_HEALTH_DESIRED"] = f"{Stage.EMBEDDER}=0"
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
