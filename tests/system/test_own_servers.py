"""`mnemo up` with a NATS and a PostgreSQL that somebody else runs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from mnemostream.local.nats_server import Nats
from tests.system.test_field import copied, mnemo

HEALTH_PORT = ["--health-port", "0", "--embedders", "0"]


async def owned(database: str, role: str = "createrole", lesser: bool = True, vector: bool = True) -> str:
    """DSN of a new database on the same server, whose owner is no superuser; `lesser` = may change the lesser roles,
    which are there."""
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(f"create role archivist login password 'pass word' {role}")
        if lesser:
            await connection.execute("grant mnemo_reader, mnemo_writer to archivist with admin option")
        await connection.execute("create database memory owner archivist")
    finally:
        await connection.close()
    parts = urlsplit(database)
    if vector:
        connection = await asyncpg.connect(urlunsplit(parts._replace(path="/memory")))
        await connection.execute("create extension vector")
        await connection.close()
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"archivist:pass%20word@{place}", path="/memory"))


async def test_it_saves_and_proves_on_servers_of_others(folder: Path, nats: Nats, database: str) -> None:
    source, data = copied(folder / "live"), ["--data", str(folder / "d")]
    dsn = await owned(database)
    given = {"MNEMO_LOCAL_NATS_URL": nats.url("operator")}
    (folder / "dsn").write_text(dsn + "\n")
    given["MNEMO_LOCAL_POSTGRES_DSN_FILE"] = str(folder / "dsn")
    start = ("up", "--detach", *HEALTH_PORT, *data, "--source", str(source))
    try:
        started = await asyncio.to_thread(mnemo, *start, **given)
        assert started.returncode == 0, started.stderr
        assert "pass" not in started.stderr
        assert not (folder / "d" / "nats").exists()
        assert not (folder / "d" / "postgres").exists()
        status = json.loads((await asyncio.to_thread(mnemo, "status", "--json", *data)).stdout)
        assert status["status"] != "unhealthy", status
        for _ in range(60):
            proved = await asyncio.to_thread(mnemo, "verify", "--all", *data)
            if proved.returncode == 0:
                break
            await asyncio.sleep(1)
        assert proved.returncode == 0, proved.stdout + proved.stderr
        made = await asyncio.to_thread(mnemo, "backup", str(folder / "kept.mnemo"), *data)
        assert made.returncode == 0, made.stderr
        assert (await asyncio.to_thread(mnemo, "nats-context", *data, XDG_CONFIG_HOME=str(folder))).returncode == 0
    finally:
        stopped = await asyncio.to_thread(mnemo, "down", *data)
    assert stopped.returncode == 0, stopped.stderr
    async with asyncio.timeout(20):
        connection = await asyncpg.connect(dsn)  # nobody has stopped it
        assert await connection.fetchval("select count(*) from segments") > 0
        await connection.close()
    again = ("up", "--once", *HEALTH_PORT, *data, "--source", str(source), "--nats", nats.url("operator"))
    done = await asyncio.to_thread(mnemo, *again, "--postgres", dsn)
    assert done.returncode == 4, done.stderr
    assert "3 files" in done.stderr


@pytest.mark.parametrize(
    ("rights", "says"),
    [
        ({"role": "nocreaterole"}, "may not make roles: `alter role archivist createrole`"),
        ({"lesser": False}, "`grant mnemo_reader, mnemo_writer to archivist with admin option`"),
        ({"vector": False}, "a superuser must run `create extension vector`"),
        ({}, "password"),
    ],
    ids=["no right to make roles", "roles of another", "no vector", "a wrong password"],
)
async def test_what_a_server_of_others_lacks_is_said(
    folder: Path, nats: Nats, database: str, rights: dict[str, Any], says: str
) -> None:
    dsn = await owned(database, **rights)
    wrong = dsn if rights else dsn.replace("pass%20word", "other")
    start = ("up", "--once", *HEALTH_PORT, "--data", str(folder / "d"), "--source", str(copied(folder / "live")))
    done = await asyncio.to_thread(mnemo, *start, "--nats", nats.url("operator"), "--postgres", wrong)
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr
    assert "pass%20word" not in done.stderr


@pytest.mark.parametrize("option", ["--nats", "--postgres"])
def test_what_is_no_address_is_bad_usage(folder: Path, option: str) -> None:
    done = mnemo("up", "--once", "--data", str(folder / "d"), option, "localhost:4222")
    assert (done.returncode, "an address begins with" in done.stderr) == (64, True), done.stderr
