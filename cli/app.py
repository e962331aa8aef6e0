"""`mnemo`: the person's commands.

Exit codes: 0 healthy or true · 1 degraded or false · 2 unhealthy · 3 unknown · 4 saved, not embedded · 5 dead letters ·
64 usage.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NoReturn

import click
import msgspec

from mnemostream.cli import (
    api,
    archive,
    backup,
    completion,
    doctor,
    edges,
    find,
    imports,
    manual,
    mcp,
    model,
    progress,
    proof,
    service,
    status,
)
from mnemostream.cli.bus import deadletters, nats_context
from mnemostream.cli.console import (
    EX_FALSE,
    EX_NOT_EMBEDDED,
    EX_UNHEALTHY,
    EX_USAGE,
    Lines,
    data_option,
    err,
    existing,
    failed,
    json_option,
    print_json,
    worded,
)
from mnemostream.cli.edges import watching
from mnemostream.cli.service import gap, roots
from mnemostream.contracts import sources
from mnemostream.contracts.reasons import counted
from mnemostream.local import endpoints, folder, logs, system
from mnemostream.local.backup import schedule
from mnemostream.local.edges import joined
from mnemostream.local.logs import Unbreakable
from mnemostream.local.service import detached, notify, watched
from mnemostream.runtime.errors import Misconfigured
from mnemostream.runtime.heartbeat import service_version
from mnemostream.runtime.tasks import cancel_and_wait


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(service_version(), prog_name="mnemo")
def cli() -> None:
    """Archive AI assistant transcripts byte for byte, search them by meaning, and verify the archive."""


@cli.command(short_help="Run everything on this machine.")
@data_option
@click.option(
    "--source", "folders", multiple=True, help="FOLDER or ASSISTANT=FOLDER with transcripts, or `defaults`; repeatable."
)
@click.option(
    "--embedders", default=1, show_default=True, type=click.IntRange(0, 64), help="Embedder processes; 0 = save only."
)
@click.option(
    "--once",
    is_flag=True,
    help="Exit 0 once everything is captured, stored and embedded; 4 = not embedded, 5 = dead letters.",
)
@json_option
@click.option("--detach", is_flag=True, help="Run in the background; `mnemo down` stops it.")
@click.option("--nats", "nats_url", help="URL of a NATS of your own with JetStream; none is started then.")
@click.option("--postgres", "postgres_dsn", help="DSN of a PostgreSQL of your own with pgvector; none is started then.")
@click.option("--nats-port", default=system.NATS_PORT, show_default=True, help="0 = any free port.")
@click.option("--health-port", default=system.HEALTH_PORT, show_default=True, help="0 = any free port.")
@click.option("--postgres-port", default=system.POSTGRES_PORT, show_default=True, help="0 = any free port.")
def up(data: str | None, folders: tuple[str, ...], embedders: int, once: bool, detach: bool, **more: Any) -> None:
    """Run NATS, PostgreSQL and the four services on this machine, without Docker.

    `mnemo service install` runs it for good. Addresses with passwords are better given by the variables
    MNEMO_LOCAL_NATS_URL and MNEMO_LOCAL_POSTGRES_DSN, or files that …_FILE name: others see a command line.
    """
    if once and detach:
        raise click.UsageError("--once and --detach cannot be combined")
    if more["as_json"] and not once:
        raise click.UsageError("--json tells how --once has ended; `mnemo status --json` tells what runs")
    place = endpoints.data_folder(data)
    if folder.in_use(place):
        failed("cannot start", folder.Busy(place))
        sys.exit(EX_UNHEALTHY)
    named = existing(folders)
    watched_roots = named or roots.unsaid()
    if (server := joined.read(place)) and not detach:
        watching.up(place, server, watched_roots, once=once, as_json=more["as_json"])
    schedule.of(os.environ)  # what is wrong is said before anything starts
    working = 0 if server else model.offered(os.environ, embedders)
    ports = {name: port for name, port in more.items() if name.endswith("_port")}
    given = endpoints.given(more["nats_url"], more["postgres_dsn"])
    if detach:
        os.environ.update(given.variables)  # and not by its command line
        for name in given.variables:
            os.environ.pop(f"{name}_FILE", None)
        _detached(place, named, embedders, ports)
    quick = {
        "MNEMO_HEARTBEAT_SECONDS": "1",
        "MNEMO_HEALTH_PROBE_SECONDS": "1",
        "MNEMO_HEALTH_FIGURES_SECONDS": "3",
    }
    plan = system.Plan(
        data=place,
        roots=watched_roots,
        embedders=working,
        settings=quick if once else {},
        nats_url=given.nats_url,
        postgres_dsn=given.postgres_dsn,
        **ports,
    )
    sys.stderr = Unbreakable(sys.stderr)
    try:
        sys.exit(asyncio.run(_up(plan, once, as_json=more["as_json"])))
    except (folder.Busy, RuntimeError, OSError) as error:
        failed("cannot start", error)
        sys.exit(EX_UNHEALTHY)


def _detached(data: Path, named: list[sources.Root], embedders: int, ports: dict[str, int]) -> NoReturn:
    """The same in the background; ends when it answers, or has ended."""
    try:
        pid = asyncio.run(detached.start(detached.command(data, named, embedders, ports), data))
    except (folder.Busy, RuntimeError, OSError) as error:
        failed("cannot start", error)
        sys.exit(EX_UNHEALTHY)
    err.print(worded("running in the background, process {}; `mnemo status` shows it, `mnemo down` stops it", pid))
    sys.exit(0)


async def _up(plan: system.Plan, once: bool, *, as_json: bool) -> int:
    """The exit code. Raises folder.Busy, RuntimeError, OSError where it cannot start."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # under nohup it goes on
            loop.add_signal_handler(number, stop.set)
    work = asyncio.create_task(_run(plan, once, stop, started := asyncio.Event(), as_json=as_json))
    stopping = asyncio.create_task(stop.wait())
    starting = asyncio.create_task(started.wait())
    await asyncio.wait({work, stopping, starting}, return_when=asyncio.FIRST_COMPLETED)
    if not started.is_set() and not work.done():
        err.print("stopped while starting")
        await cancel_and_wait(work)
    await cancel_and_wait(stopping, starting)
    return EX_FALSE if work.cancelled() else await work


async def _run(plan: system.Plan, once: bool, stop: asyncio.Event, started: asyncio.Event, *, as_json: bool) -> int:
    def say(text: str) -> None:
        err.print(worded("{}", text), soft_wrap=True)

    named = [root for root in plan.roots if str(root) != sources.DEFAULTS]
    folders = ", ".join([*map(str, named), *(["the folders of all known assistants"] if named != plan.roots else [])])
    folders = folders or "the folders of all known assistants"
    say(f"data in {plan.data}; transcripts from {folders}")
    since = watched.until(plan.data)
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(system.running(plan, say))
        await stack.enter_async_context(notify.running(plan.data))
        started.set()
        noted = logs.kept(say, plan.data / "logs" / "mnemo.log")
        if missed := gap.told(since):
            noted(missed)
        noted(f"status   {running.endpoints.health_url}/autosave   (or `mnemo status --watch`)")
        backups = None if once else schedule.of(os.environ, running.endpoints.host)
        await stack.enter_async_context(schedule.running(plan.data, backups, noted))
        if not once:
            say("page     `mnemo dashboard --open`   (search and read in the browser)")
            say('search   `mnemo search "…"`      stop with Ctrl-C')
        deleted = gap.Deleted(plan.data, noted)
        ended = await progress.follow(running, err, stop, once=once, say=noted, absent=deleted.look)
        async with api.asking(running.endpoints) as client:
            figures = await progress.look(client, running.endpoints)
        without = running.not_embedding
        say("stopping …")
    code = ended.code or (EX_NOT_EMBEDDED if once and without else 0)
    if as_json:
        print_json({"exit_code": code, "problem": ended.words or without, **msgspec.to_builtins(figures)})
    if ended.code:
        err.print(worded("[red]incomplete:[/] {}", ended.words), soft_wrap=True)
        return code
    if once:
        size = f"{figures.captured / 1e6:.1f} MB"
        say(
            f"{counted(figures.files, 'file')}, {size} captured and stored"
            + ("" if without else ", all texts embedded")
        )
    if once and not without:
        say('`mnemo up` watches what is written from now on; `mnemo search "…"` finds it meanwhile')
    if once and without:
        err.print(worded("[yellow]not embedded:[/] {}", without), soft_wrap=True)
    return code


FIND = (proof, archive, imports, find, mcp)
RUN = (status, deadletters, nats_context, doctor, edges, service, model, backup, completion)
for commands in (*FIND, *RUN):
    for command in commands.COMMANDS:
        cli.add_command(command)
manual.told(cli)


def main() -> None:
    """Entry point; bad usage leaves with 64 (EX_USAGE of sysexits.h)."""
    logging.getLogger("nats").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of each end of a connection with TLS
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # what the terminal's alphabet lacks
    try:
        cli(prog_name="mnemo", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        sys.exit(EX_USAGE)
    except Misconfigured as error:
        err.print(worded("[red]misconfigured:[/] {}", Lines(error)), soft_wrap=True)
        sys.exit(EX_USAGE)
    except click.exceptions.Abort:
        sys.exit(130)
    except BrokenPipeError:  # `mnemo … | head`: nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
