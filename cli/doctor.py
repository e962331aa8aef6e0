"""`mnemo doctor`: what is there, what is wrong, and how to fix it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import click
import msgspec
from rich.table import Table

from mnemostream.archive import retention
from mnemostream.cli import api, examine
from mnemostream.cli.bus.repair import repair_all
from mnemostream.cli.console import (
    EX_FALSE,
    data_option,
    json_option,
    out,
    print_json,
    run,
    worded,
)
from mnemostream.cli.edges import examining
from mnemostream.cli.examine import Check
from mnemostream.cli.manual.hints import hinted
from mnemostream.cli.shapes import counts
from mnemostream.cli.shapes.stores import stores
from mnemostream.contracts import sources
from mnemostream.contracts.http.health import Health
from mnemostream.contracts.sources import Root
from mnemostream.local import endpoints
from mnemostream.local.backup import schedule
from mnemostream.local.edges import joined
from mnemostream.local.endpoints import Endpoints
from mnemostream.local.folder import in_use, known_host
from mnemostream.local.secrets import Secrets
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.disk import projects
from mnemostream.runtime.disk.files import LINK, walk
from mnemostream.runtime.disk.left import Left
from mnemostream.runtime.errors import Misconfigured
from mnemostream.runtime.process.home import home
from mnemostream.runtime.rows.found import databases

FIRST = frozenset({"claude-code", "codex", "gemini", "copilot"})
"""Assistants whose folders are listed, whether they are there or not."""


class Folder(msgspec.Struct, frozen=True):
    """One root of one assistant."""

    source: str
    title: str
    folder: str
    exists: bool
    watched: bool
    files: int = 0
    bytes: int = 0
    problem: str = ""
    sessions: int | None = None
    """None where a database cannot be read now."""
    readable: bool = True
    """False for what is archived as it is, encrypted by its assistant."""
    left: Left = msgspec.field(default_factory=Left)
    """What lies there and is not captured."""


def folders(watched: list[Root] | None, environ: Mapping[str, str], home: Path) -> list[Folder]:
    """The default folders of all known assistants, and what else is watched; `watched` None = not running."""
    usual = [*sources.defaults(environ, home), *projects.roots(environ, home)]
    known = {os.path.realpath(root.folder): root for root in usual}
    extra = {os.path.realpath(root.folder): root for root in watched or []}
    places = []
    for folder, root in {**known, **{f: root for f, root in extra.items() if f not in known}}.items():
        problems: list[str] = []
        exists = os.path.isdir(folder)
        left = Left({}, {})
        found = list(walk(folder, root.leaves, problems, left=left, flat=root.flat)) if exists else []
        inside = watched is None or any(Path(folder).is_relative_to(other) for other in extra or known)
        title = sources.BY_NAME[root.source].title if root.source in sources.BY_NAME else "any assistant"
        size = sum(stat.size for _, stat in found)
        problem = problems[0] if problems else ""
        told = (len(found), size, problem, counts.sessions(root.source, [path for path, _ in found]))
        readable = not all(root.seals(path) for path, _ in found) or not found
        places.append(Folder(root.source, title, folder, exists, exists and inside, *told, readable, left))
    whole = watched is None or any(folder in known for folder in extra)
    for file, source in databases(environ, home).items():
        size, (sessions, problem) = os.path.getsize(file), counts.in_database(source, file)
        title = f"{sources.BY_NAME[source].title}, database"
        places.append(Folder(source, title, file, True, whole, 1, size, problem, sessions))
    return places


async def checks(data: Path, environ: Mapping[str, str], home: Path) -> tuple[list[Folder], list[Check]]:
    """Everything that can be looked at, whether the system runs or not."""
    findings = examine.settings(environ)
    where, health, found = await _answer(data)
    findings += found
    watched = sources.completed(map(sources.parse, where.roots), environ, home) if where and health else None
    places = folders(watched if watched is None or watched else sources.defaults(environ, home), environ, home)
    findings += [
        Check("folder", "wrong", f"{p.folder}: {p.problem}", "grant read access to the user that runs the watcher")
        for p in places
        if p.problem
    ]
    if not any(place.files for place in places):
        findings.append(Check("folders", "note", "no assistant transcripts found", "specify a folder with --source"))
    if Secrets.damaged(data):
        findings.append(Check("passwords", "wrong", "secrets.json is damaged", "run `mnemo doctor --repair`"))
    if where is None or not where.elsewhere:  # in compose, these are matters of other containers
        findings = [*examine.versions(), *examine.model(environ), *findings]
        findings += [*examine.disk(data, home), *examine.permissions(data)]
    findings += examine.watches([p.folder for p in places])
    left = Left()
    for place in places:
        left.merge(place.left)
    if left.counts:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(left.counts.items()))
        remedy = "a linked folder is captured if it is named with --source" if LINK in left.counts else ""
        findings.append(Check("not captured", "note", f"{reasons} ({left.examples()})", remedy))
    findings += _backups(environ, data, SystemClock().now())
    if health:
        findings += [*examine.clocks(health, SystemClock().now()), *examine.services(health)]
    if where and (health or in_use(data)):  # each by itself: what is down may be health alone
        findings += [*await examine.bus(where.nats_url), *await _database(where.postgres_dsn, environ, home)]
    else:
        findings += examine.ports()
    return places, findings


async def _answer(data: Path) -> tuple[Endpoints | None, Health | None, list[Check]]:
    """Where the system answers, what it says of itself, and what is to be said of that. An edge has none of its own."""
    if server := joined.read(data):
        return None, None, await examining.checks(data, server)
    where: Endpoints | None = None
    try:
        where = endpoints.read(data).reading()
        health = await asyncio.to_thread(api.health, where)
        return where, health, [_health_check(where, health)]
    except (endpoints.NotRunning, api.CannotTell) as error:
        remedy = "see logs/health.log in the data folder" if in_use(data) else "start it: `mnemo up`"
        return where, None, [Check("health", "wrong", f"no answer: {error}", remedy)]


def _health_check(where: Endpoints, health: Health) -> Check:
    text = f"{health.status}, at {where.health_url}"
    if health.status == "healthy":
        return Check("health", "ok", text)
    return Check("health", "wrong", f"{text}: {'; '.join(health.issues)}", "see `mnemo status` and docs/status.md")


def _backups(environ: Mapping[str, str], data: Path, now: float) -> list[Check]:
    """Is the newest backup as young as it should be?"""
    remedy = "see logs/mnemo.log in the data folder"
    try:
        wanted = schedule.of(environ, known_host(data))
        if not wanted:
            return []
        kept, newest = wanted.kept(), wanted.newest()
    except (Misconfigured, OSError) as error:
        return [Check("backups", "wrong", str(error), "see docs/settings.md")]
    if not kept:
        return [Check("backups", "wrong", f"none in {wanted.folder}", remedy)]
    text = f"{len(kept)} in {wanted.folder}, the newest {(now - newest) / schedule.HOUR:.1f} h old"
    late = now - newest > 2 * wanted.hours * schedule.HOUR
    return [Check("backups", "wrong" if late else "ok", text, remedy if late else "")]


async def _database(dsn: str, environ: Mapping[str, str], home: Path) -> list[Check]:
    try:
        database = await asyncpg.connect(dsn, timeout=5, command_timeout=30)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        return [Check("database", "wrong", f"does not answer: {error}", "see logs/postgres.log in the data folder")]
    try:
        findings = await examine.database(database, SystemClock().now())
        if findings[-1].state == "ok":
            findings += await examine.reading(database)
        guards = await retention.guards(database, environ, home)
    finally:
        await database.close(timeout=5)
    for guard in guards:
        title = sources.BY_NAME[guard.source].title
        remedy = "" if guard.safe else f"wait until `mnemo status` shows no gap, or let {title} keep them longer"
        findings.append(Check("retention", "ok" if guard.safe else "wrong", f"{title}: {guard.summary()}", remedy))
        if guard.settings_error:
            findings.append(Check("retention", "wrong", guard.settings_error, f"fix the settings of {title}"))
    return findings


@click.command("doctor", short_help="Report problems and how to fix them.")
@click.option("--repair", is_flag=True, help="Repair what can be: streams, consumers, damaged passwords.")
@click.option(
    "--formats", is_flag=True, help="Print keys and types of the stores found here, no content: for a report."
)
@data_option
@json_option
def doctor_command(repair: bool, formats: bool, data: str | None, as_json: bool) -> None:
    """Check folders, settings, services and servers; report problems and how to fix them."""
    folder = endpoints.data_folder(data)
    if formats:
        there = [(place.source, place.folder) for place in folders(None, os.environ, home()) if place.exists]
        print_json(list(stores(there)))  # for people, too: it is to be pasted
        return
    if repair:
        repair_all(folder)
    places, findings = run(checks(folder, os.environ, home()))
    if as_json:
        print_json({"folders": places, "checks": findings})
    else:
        table = Table(box=None, pad_edge=False)
        for name in ("assistant", "folder", "sessions", "files", "MB", ""):
            table.add_column(name, justify="left" if name in ("assistant", "folder", "") else "right", overflow="fold")
        for place in (one for one in places if one.exists or one.source in FIRST):
            state = worded("watched" if place.watched else "[yellow]not watched[/]" if place.exists else "missing")
            if not place.readable:
                state.append(", archived, not readable")
            sessions = "?" if place.sessions is None else str(place.sessions)
            figures = (sessions, str(place.files), f"{place.bytes / 1e6:.1f}")
            table.add_row(place.title, worded("{}", place.folder), *figures, state)
        out.print(table)
        away = len(sources.BY_NAME.keys() - {place.source for place in places if place.exists} - FIRST)
        out.print(worded("no sessions of {} other known assistants (--json lists their folders)", away))
        for check in findings:
            mark = {"ok": "[green]✓[/]", "note": "·", "wrong": "[red]✗[/]"}[check.state]
            out.print(worded(f"{mark} {{}}: {{}}", check.name, check.words), soft_wrap=True)
            if check.remedy:
                out.print(hinted(worded("    {}", check.remedy)), soft_wrap=True)
    sys.exit(EX_FALSE if any(check.state == "wrong" for check in findings) else 0)


COMMANDS = (doctor_command,)
