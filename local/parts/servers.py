"""NATS and PostgreSQL: started here, or of somebody else."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mnemostream.local.child import Child
from mnemostream.local.external.nats import ExternalNats
from mnemostream.local.external.postgres import ExternalPostgres
from mnemostream.local.nats_server import Nats
from mnemostream.local.parts.plan import Plan
from mnemostream.local.postgres.server import Postgres
from mnemostream.local.secrets import Secrets

AnyNats = Nats | ExternalNats
AnyPostgres = Postgres | ExternalPostgres


def chosen(plan: Plan, secrets: Secrets, port: Callable[[str, int], int]) -> tuple[AnyNats, AnyPostgres]:
    """Those of the plan; `port` finds a free one for a name and a wish."""
    own_port = 0 if plan.nats_url else port("NATS", plan.nats_port)
    nats = ExternalNats(plan.nats_url) if plan.nats_url else Nats(plan.data, own_port, secrets.nats)
    if not plan.postgres_dsn:
        return nats, Postgres(plan.data, port("PostgreSQL", plan.postgres_port), secrets)
    lesser = {"mnemo_writer": secrets.writer, "mnemo_reader": secrets.reader}
    return nats, ExternalPostgres(plan.postgres_dsn, lesser)


async def answering(
    plan: Plan, nats: AnyNats, postgres: AnyPostgres, children: Mapping[str, Child], secrets: Secrets
) -> None:
    """Returns when both answer. Raises RuntimeError that says which does not, and why."""
    await (nats.ready(children["nats"]) if isinstance(nats, Nats) else nats.ready())
    if isinstance(postgres, Postgres):
        await postgres.ready(children["postgres"])
        secrets.taken(plan.data)
    else:
        await postgres.ready()
