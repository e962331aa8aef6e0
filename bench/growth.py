"""How the cost of an answer grows with the archive: 1 ×, 10 ×, 100 × the same sessions, and the exponent of each.

    python bench/growth.py [--factors 1,10,100] [--transcripts 1000] [--exchanges 10] [--times 20] [--json FILE]

The first archive is made by the pipeline from made-up transcripts; the larger ones by SQL, from its rows under other
names: this measures reading. Prints a table: p50 and p95 in milliseconds of each answer, its exponent from the first to
the last factor (0 = the cost is that of the answer, 1 = that of the archive), what the service counts by itself, and
bytes; and the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import asyncpg
import httpx
import psutil
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mnemostream.local import system

WORDS = [
    "parser",
    "queue",
    "latch",
    "offset",
    "stream",
    "vector",
    "index",
    "shard",
    "quorum",
    "lease",
    "socket",
    "buffer",
]
COUNTED = ("ledger", "coverage", "figures", "hosts", "imports", "recent")
"""Queries that the health service asks by itself."""

COPIES = """
insert into transcripts select transcript_id || $1, source, host, root, path || $1, session_id || $1, subagent
from transcripts where strpos(transcript_id, '~') = 0;
insert into segments ({segments}) select {segments_} from segments where strpos(transcript_id, '~') = 0;
insert into records ({records}) select {records_} from records where strpos(transcript_id, '~') = 0;
insert into words ({words}) select {words_} from words where strpos(transcript_id, '~') = 0;
insert into literals ({literals}) select {literals_} from literals where strpos(transcript_id, '~') = 0;
insert into chunks ({chunks}) select {chunks_} from chunks where text_sha in (
    select text_sha from records where strpos(transcript_id, '~') = 0)
"""
RENAMED = {"transcript_id", "session_id", "record_id", "exchange_id"}
EARLIER = {"occurred_at", "captured_at", "started_at", "ended_at"}


def transcripts(folder: Path, count: int, exchanges: int) -> None:
    """Made-up sessions of Claude Code."""
    rng = random.Random(17)
    now = datetime.now(UTC)
    for number in range(count):
        project = folder / f"-home-dev-project{number % 40}"
        project.mkdir(parents=True, exist_ok=True)
        session, cwd = f"{number:08x}-0000-4000-8000-000000000000", f"/home/dev/project{number % 40}"
        began = now - timedelta(minutes=number * 7 + 60)
        with (project / f"{session}.jsonl").open("w") as handle:
            for exchange in range(exchanges):
                said = " ".join(rng.choices(WORDS, k=30))
                heard = " ".join(rng.choices(WORDS, k=90))
                call = {"type": "tool_use", "id": f"t{exchange}", "name": "Bash", "input": {"command": said}}
                result = {"type": "tool_result", "tool_use_id": f"t{exchange}", "content": heard}
                steps = [
                    ("user", f"{said} in case{number}x{exchange}?"),
                    ("assistant", [call]),
                    ("user", [result]),
                    ("assistant", [{"type": "text", "text": heard}]),
                ]
                for step, (role, content) in enumerate(steps):
                    at = began + timedelta(seconds=20 * exchange + step)
                    message = {"role": role, "content": content, "id": f"m{step}"}
                    facts = {"type": role, "uuid": f"{number:x}-{exchange}-{step}", "timestamp": at.isoformat()}
                    handle.write(json.dumps({**facts, "sessionId": session, "cwd": cwd, "message": message}) + "\n")


COLUMNS = "select attname from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped"


async def multiply(database: asyncpg.Connection, copies: Sequence[int]) -> None:
    """Adds copies of the first archive."""
    statements = COPIES
    for table in ("segments", "records", "words", "literals", "chunks"):
        names = [row["attname"] for row in await database.fetch(COLUMNS, table)]
        statements = statements.replace(f"{{{table}}}", ", ".join(names))
        statements = statements.replace(f"{{{table}_}}", ", ".join(map(_renamed, names)))
    for copy in copies:
        async with database.transaction():
            for statement in statements.split(";\n"):
                text = statement.replace("$1", f"'~{copy}'").replace("$2", str(copy))
                await database.execute(text)
    await database.execute("vacuum analyze")


def _renamed(name: str) -> str:
    if name in RENAMED:
        return f"{name} || $1"
    if name == "text_sha":
        return "case when text_sha is not null then sha256(text_sha || $1::bytea) end"
    return f"{name} - make_interval(days => $2)" if name in EARLIER else name


async def asked(client: httpx.AsyncClient, times: int, found: dict[str, list[float]]) -> None:
    """Milliseconds of each route."""
    listed = (await client.get("/v1/sessions", params={"limit": 100})).json()["sessions"]
    exchanges: list[dict[str, str]] = []
    while not exchanges:  # the service counts after what was written
        exchanges = (await client.get("/v1/autosave/recent", params={"limit": 100})).json()["conversations"]
    rng = random.Random(5)
    for _ in range(times):
        session, exchange = rng.choice(listed)["session_id"], rng.choice(exchanges)["exchange_id"]
        case = f"case{rng.randrange(1000)}x{rng.randrange(10)}"
        for name, path in (
            ("health", "/v1/autosave/health"),
            ("ledger", "/v1/autosave/ledger"),
            ("hosts", "/v1/autosave/hosts"),
            ("recent", "/v1/autosave/recent?limit=20"),
            ("recent, far back", "/v1/autosave/recent?limit=20&offset=2000"),
            ("one exchange", f"/v1/autosave/conversation/{exchange}"),
            ("sessions", "/v1/sessions?limit=20"),
            ("sessions of a project", "/v1/sessions?limit=20&project=project7"),
            ("one session", f"/v1/sessions/{session}?limit=50"),
            ("projects", "/v1/projects?limit=20"),
            ("search, rare word", f"/v1/search?mode=words&q={case}"),
            ("search, exact", f"/v1/search?mode=exact&q={case}"),
            ("search, common words", "/v1/search?mode=words&q=parser+queue+latch"),
        ):
            began = time.perf_counter()
            (await client.get(path)).raise_for_status()
            found.setdefault(name, []).append(1000 * (time.perf_counter() - began))


async def counted(database: asyncpg.Connection, found: dict[str, list[float]]) -> None:
    """Milliseconds of what the health service counts."""
    arguments = {"imports": (30, "day"), "recent": (100, 0, True)}
    for name in COUNTED:
        query = (files("mnemostream.services.health.observe") / "sql" / f"{name}.sql").read_text()
        began = time.perf_counter()
        await database.fetch(query, *arguments.get(name, ()))
        found[f"counted: {name}"] = [1000 * (time.perf_counter() - began)]


def quantile(took: Sequence[float], share: float) -> float:
    ordered = sorted(took)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def told(found: dict[int, dict[str, list[float]]]) -> Table:
    factors = sorted(found)
    table = Table("answer, ms", *(f"{factor} × p50 / p95" for factor in factors), "exponent")
    for name in found[factors[0]]:
        cells = [f"{quantile(found[f][name], 0.5):.1f} / {quantile(found[f][name], 0.95):.1f}" for f in factors]
        ends = [quantile(found[f][name], 0.5) for f in (factors[0], factors[-1])]
        exponent = math.log(ends[1] / ends[0]) / math.log(factors[-1] / factors[0]) if len(factors) > 1 else 0.0
        table.add_row(name, *cells, f"{exponent:.2f}")
    return table


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--factors", default="1,10,100")
    parser.add_argument("--transcripts", type=int, default=1000)
    parser.add_argument("--exchanges", type=int, default=10)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--json", type=Path, help="all figures, too")
    given = parser.parse_args()
    found: dict[int, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        os.chmod(name, 0o755)
        transcripts(Path(name) / "source", given.transcripts, given.exchanges)
        plan = system.Plan(data=Path(name) / "data", roots=[Path(name) / "source"], embedders=0, nats_port=0,
                           health_port=0, postgres_port=0)  # fmt: skip
        async with system.running(plan, lambda text: None) as running:
            where = running.endpoints
            database = await asyncpg.connect(where.postgres_dsn)
            headers = {"authorization": f"Bearer {where.health_token}"}
            wanted = given.transcripts * given.exchanges
            while await database.fetchval("select count(*) from words where field = 0") < wanted:
                await asyncio.sleep(0.5)
            done = 1
            async with httpx.AsyncClient(base_url=where.health_url, headers=headers, timeout=120) as client:
                for factor in map(int, given.factors.split(",")):
                    began = time.perf_counter()
                    await multiply(database, range(done, factor))
                    done = max(done, factor)
                    sys.stderr.write(f"{factor} ×: made in {time.perf_counter() - began:.0f} s\n")
                    one: dict[str, list[float]] = {}
                    await counted(database, one)
                    await asked(client, given.times, one)
                    size = await database.fetchval("select pg_database_size(current_database())")
                    one["database, MB"] = [size / 1e6]
                    found[factor] = one
                    Console().print(told(found))
            await database.close()
    if given.json:
        given.json.write_text(json.dumps(found))
    print(f"machine      {os.cpu_count()} cores, {psutil.virtual_memory().total / 1e9:.0f} GB, "
          f"{platform.system()} {platform.machine()}, Python {platform.python_version()}")  # fmt: skip


if __name__ == "__main__":
    asyncio.run(main())
