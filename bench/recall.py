"""How well search finds: hit@1, hit@5 and MRR by group, with latencies, through `GET /v1/search`.

    python bench/recall.py --corpus FOLDER --queries queries.jsonl.xz [--locomo locomo10.json] [--longmemeval FILE]
    python bench/recall.py --data FOLDER …        asks an instance that is running and filled already
    python bench/recall.py --corpus FOLDER --queries FILE --copies 10 --chunks 500000
                                                  latencies again when the archive holds so many copies of itself (which
                                                  makes every hit one of many equal ones), and again when vectors at
                                                  random have made so many chunks of it

Queries: one JSON object a line with `group`, `text`, `sessions` (those that count). LoCoMo (snap-research/locomo, CC
BY-NC 4.0: fetch it, never commit it) and LongMemEval are written as sessions of Claude Code, a turn an exchange, and
asked with the project filter of their conversation; a question counts as found by any session (turn) of its evidence.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import lzma
import os
import platform
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import asyncpg
import httpx
from growth import multiply
from rich.console import Console

from mnemostream.cli import progress
from mnemostream.local import endpoints, system
from mnemostream.local.endpoints import Endpoints
from mnemostream.services.writer import indexing

DEEP = 20
"""MRR counts the first twenty."""
FAMILIES = ("claude", "codex", "gemini", "pi", "qwen", "copilot")


class Asked(NamedTuple):
    group: str
    text: str
    gold: set[str]
    project: str = ""
    turns: set[str] = frozenset()  # type: ignore[assignment]


def labelled(file: Path) -> Iterator[Asked]:
    with lzma.open(file, "rt") as lines:
        for line in lines:
            query = json.loads(line)
            yield Asked(query["group"], query["text"], set(query["sessions"]))


def turn(session: str, name: str, text: str, at: datetime, cwd: str) -> str:
    line = {"type": "user", "uuid": name, "sessionId": session, "timestamp": at.isoformat(), "cwd": cwd}
    return json.dumps({**line, "message": {"role": "user", "content": text}}) + "\n"


def locomo(file: Path, folder: Path) -> Iterator[Asked]:
    """Writes its sessions; four questions without evidence are left out."""
    for number, sample in enumerate(json.loads(file.read_text())):
        cid, conversation = sample["sample_id"], sample["conversation"]
        (folder / cid).mkdir(parents=True)
        for n in range(1, 100):
            if f"session_{n}" not in conversation:
                break
            began = datetime.strptime(conversation[f"session_{n}_date_time"], "%I:%M %p on %d %B, %Y").replace(
                tzinfo=UTC
            )
            lines = [
                turn(f"{cid}-S{n}", f"{cid}-{said['dia_id']}", f"{said['speaker']}: {said['text']}",
                     began + timedelta(minutes=m), f"/locomo/{cid}")
                for m, said in enumerate(conversation[f"session_{n}"])
            ]  # fmt: skip
            (folder / cid / f"{cid}-S{n}.jsonl").write_text("".join(lines))
        half = "locomo 1-5" if number < 5 else "locomo 6-10"
        for question in sample["qa"]:
            places = {place for text in question.get("evidence", []) for place in re.findall(r"D(\d+):(\d+)", text)}
            if places:
                gold = {f"{cid}-S{session}" for session, _ in places}
                turns = {f"{cid}-D{session}:{said}" for session, said in places}
                yield Asked(half, question["question"], gold, f"/locomo/{cid}", turns)


def longmemeval(file: Path, folder: Path) -> Iterator[Asked]:
    """Writes the haystack of each question as a project of its own; questions without an answer are left out."""
    for number, item in enumerate(json.loads(file.read_text())):
        project = f"/longmemeval/q{number}x"
        (folder / f"q{number}").mkdir(parents=True)
        gold = set()
        for name, when, said in zip(item["haystack_session_ids"], item["haystack_dates"], item["haystack_sessions"],
                                    strict=True):  # fmt: skip
            session = f"q{number}-{name}"
            began = datetime.strptime(re.sub(r"\s*\(\w+\)", "", when), "%Y/%m/%d %H:%M").replace(tzinfo=UTC)
            lines = [turn(session, f"{session}-{m}", f"{one['role']}: {one['content']}", began, project)
                     for m, one in enumerate(said)]  # fmt: skip
            (folder / f"q{number}" / f"{session}.jsonl").write_text("".join(lines))
            gold |= {session} if name in item["answer_session_ids"] else set()
        if gold:
            yield Asked(f"longmemeval {item['question_type']}", item["question"], gold, project)


@asynccontextmanager
async def filled(data: Path, sources: list[Path]) -> AsyncIterator[Endpoints]:
    """A system of its own, with everything imported."""
    plan = system.Plan(data=data, roots=sources, nats_port=0, health_port=0, postgres_port=0)
    async with system.running(plan, print) as running:
        ended = await progress.follow(running, Console(stderr=True), asyncio.Event(), once=True, say=print)
        if ended.code:
            raise SystemExit(ended.words)
        yield running.endpoints


async def ask(client: httpx.AsyncClient, asked: Asked, by: str, mode: str) -> tuple[list[str], float]:
    """Ids of sessions or exchanges, best first, and the seconds it took."""
    params = {"q": asked.text, "by": by, "limit": str(DEEP), "mode": mode}
    began = time.perf_counter()
    answer = await client.get("/v1/search", params=params | ({"project": asked.project} if asked.project else {}))
    seconds = time.perf_counter() - began
    answer.raise_for_status()
    return [hit[f"{by}_id"] for hit in answer.json()["hits"]], seconds


FILL = """
insert into chunks (model, text_sha, chunk, begin_char, stop_char, embedding)
select m.model, sha256(('fill' || n)::bytea), 0, 0, 1,
       (select array_agg(random() - 0.5) from generate_series(1, m.dimensions) where n > 0)::real[]::halfvec
from models m, generate_series(1, $1 - (select count(*) from chunks)) n
"""


async def grown(where: Endpoints, client: httpx.AsyncClient, queries: list[Asked], copies: int, chunks: int) -> None:
    database = await asyncpg.connect(where.postgres_dsn)
    try:
        for step in ("", "copies", "chunks"):
            if step == "copies":
                await multiply(database, range(1, copies))
                await indexing.count(database)  # the writer does so when its table has grown
            elif step == "chunks":
                await database.execute(FILL, chunks)
                await database.execute("vacuum analyze chunks")
            rows = [await database.fetchval(f"select count(*) from {table}") for table in ("chunks", "transcripts")]
            took = [(await ask(client, asked, "session", "auto"))[1] for asked in queries]
            print(f"{rows[0]:>9} chunks, {rows[1]} transcripts: {percentiles(took)}", flush=True)
    finally:
        await database.close()


def percentiles(took: list[float]) -> str:
    ordered = sorted(took)
    p50, p95 = (1000 * ordered[len(ordered) * share // 100] for share in (50, 95))
    return f"{len(ordered)} searches: p50 {p50:.0f} ms, p95 {p95:.0f} ms"


async def measured(client: httpx.AsyncClient, queries: list[Asked], mode: str) -> None:
    places: dict[str, list[int]] = defaultdict(list)
    took: list[float] = []
    for asked in queries:
        found, seconds = await ask(client, asked, "session", mode)
        took.append(seconds)
        places[asked.group].append(next((n for n, one in enumerate(found) if one in asked.gold), DEEP))
        if asked.turns:
            found, _ = await ask(client, asked, "exchange", mode)
            turns = next((n for n, one in enumerate(found) if one in asked.turns), DEEP)
            places[f"{asked.group}, turn"].append(turns)
    print(f"\n{'group':<32}{'n':>6}{'hit@1':>8}{'hit@5':>8}{'MRR':>8}")
    for group, found in places.items():
        first, fifth = (100 * sum(n < k for n in found) / len(found) for k in (1, 5))
        mrr = sum(1 / (n + 1) for n in found if n < DEEP) / len(found)
        print(f"{group:<32}{len(found):>6}{first:>8.1f}{fifth:>8.1f}{mrr:>8.3f}")
    print(f"\n{percentiles(took)}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="folder with one folder of transcripts per assistant")
    parser.add_argument("--queries", type=Path)
    parser.add_argument("--locomo", type=Path)
    parser.add_argument("--longmemeval", type=Path)
    parser.add_argument("--data", type=Path, help="data folder of a running instance, filled by an earlier run")
    parser.add_argument("--mode", default="auto")
    parser.add_argument("--copies", type=int, default=0, help="grow the archive so many times, and measure latencies")
    parser.add_argument("--chunks", type=int, default=0, help="then fill it up to so many chunks")
    given = parser.parse_args()
    print(
        f"machine      {os.cpu_count()} cores, {platform.system()} {platform.machine()}, {datetime.now(UTC):%Y-%m-%d}"
    )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        written = Path(folder) / "written"
        queries = list(labelled(given.queries)) if given.queries else []
        queries += list(locomo(given.locomo, written / "locomo")) if given.locomo else []
        queries += list(longmemeval(given.longmemeval, written / "longmemeval")) if given.longmemeval else []
        sources = [given.corpus / name for name in FAMILIES if given.corpus and (given.corpus / name).is_dir()]
        if given.data:
            await asked(endpoints.read(given.data), queries, given.mode)
            return
        async with filled(Path(folder) / "data", [*sources, *([written] if written.is_dir() else [])]) as where:
            await asked(where, queries, given.mode)
            if given.copies:
                async with asking(where) as client:
                    await grown(where, client, queries, given.copies, given.chunks)


@asynccontextmanager
async def asking(where: Endpoints) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {where.health_token}"}
    async with httpx.AsyncClient(base_url=where.health_url, headers=headers, timeout=60) as client:
        await client.get("/v1/search", params={"q": "warm up"})
        yield client


async def asked(where: Endpoints, queries: list[Asked], mode: str) -> None:
    async with asking(where) as client:
        await measured(client, queries, mode)


if __name__ == "__main__":
    asyncio.run(main())
