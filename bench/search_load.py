"""How long searches take, and what many of them do to answers about health; on a running instance, in milliseconds.

    python bench/search_load.py --data FOLDER --queries queries.jsonl.xz [--searches 300] [--at-once 50]

1 one after the other, by mode
2 GET /v1/autosave/health, idle and beside so many searches at once; a server that answers "ok" and nothing else is
  asked beside it: what it takes is the machine's, not the health service's
Queries: one JSON object a line with `text`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import lzma
import multiprocessing
import os
import platform
import random
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
from asking import ask

from mnemostream.local import endpoints
from mnemostream.local.endpoints import Endpoints

PAUSE = 0.02
"""Between two questions about health."""


def line(name: str, took: Sequence[float]) -> None:
    ordered = sorted(took)
    p50, p95, p99 = (ordered[min(len(ordered) - 1, len(ordered) * share // 100)] for share in (50, 95, 99))
    print(f"{name:<34} {len(ordered):>5}   p50 {p50:6.1f}   p95 {p95:6.1f}   p99 {p99:6.1f}")


def one_by_one(where: Endpoints, queries: Sequence[str]) -> None:
    headers = {"authorization": f"Bearer {where.health_token}"}
    with httpx.Client(base_url=where.health_url, headers=headers, timeout=60) as client:
        for mode in ("auto", "words", "meaning", "exact"):
            client.get("/v1/search", params={"q": "warm up", "mode": mode}).raise_for_status()
            took = []
            for query in queries:
                began = time.perf_counter()
                client.get("/v1/search", params={"q": query, "mode": mode}).raise_for_status()
                took.append(1000 * (time.perf_counter() - began))
            line(f"search, mode {mode}", took)


class Ok(BaseHTTPRequestHandler):
    """Answers "ok"."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        return


def ok(port: Connection) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Ok)
    port.send(server.server_port)
    server.serve_forever()


def search(where: Endpoints, queries: Sequence[str], at_once: int, stop: threading.Event, answer: Connection) -> None:
    """`at_once` clients, each with one search after the other; sends how many were answered."""

    async def client(session: httpx.AsyncClient) -> int:
        done = 0
        while not stop.is_set():
            (await session.get("/v1/search", params={"q": random.choice(queries)})).raise_for_status()
            done += 1
        return done

    async def clients() -> int:
        headers = {"authorization": f"Bearer {where.health_token}"}
        limits = httpx.Limits(max_connections=at_once)
        async with httpx.AsyncClient(base_url=where.health_url, headers=headers, timeout=60, limits=limits) as session:
            return sum(await asyncio.gather(*(client(session) for _ in range(at_once))))

    answer.send(asyncio.run(clients()))


def beside(where: Endpoints, name: str, seconds: float) -> None:
    """Health and the bare server, asked in the same seconds."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=ok, args=(theirs,), daemon=True)
    server.start()
    hosts = {
        "/v1/autosave/health": where.health_url.removeprefix("http://"),
        "a bare server": f"127.0.0.1:{ours.recv()}",
    }
    askers = []
    for label, host in hosts.items():
        mine, its = multiprocessing.Pipe()
        path = label if label.startswith("/") else "/"
        asker = multiprocessing.Process(target=ask, args=(host, path, seconds, PAUSE, its), daemon=True)
        asker.start()
        askers.append((label, mine))
    for label, mine in askers:
        line(f"{label}, {name}", mine.recv())
    server.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data folder of a running instance")
    parser.add_argument("--queries", type=Path, required=True)
    parser.add_argument("--searches", type=int, default=300)
    parser.add_argument("--at-once", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=15.0)
    given = parser.parse_args()
    where = endpoints.read(given.data)
    with lzma.open(given.queries, "rt") as lines:
        queries = [json.loads(text)["text"] for text in lines]
    random.Random(3).shuffle(queries)
    print(f"machine      {os.cpu_count()} cores, {platform.system()} {platform.machine()}")
    one_by_one(where, queries[: given.searches])
    beside(where, "idle", given.seconds)
    stop = multiprocessing.Event()
    mine, its = multiprocessing.Pipe()
    load = multiprocessing.Process(target=search, args=(where, queries, given.at_once, stop, its), daemon=True)
    load.start()
    time.sleep(2)
    beside(where, f"{given.at_once} searches", given.seconds)
    stop.set()
    print(f"{mine.recv() / (given.seconds + 2):.1f} searches a second")


if __name__ == "__main__":
    main()
