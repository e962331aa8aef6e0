"""What `mnemo up` shows while it works, and how `--once` knows that all is done."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable

import asyncpg
import httpx
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from mnemostream.archive import queries
from mnemostream.cli.api import CannotTell, asking, decoded, headers
from mnemostream.cli.console import EX_DEAD_LETTERS, EX_FALSE
from mnemostream.contracts import topology
from mnemostream.contracts.http.health import Health, Stats, StreamFigures
from mnemostream.contracts.reasons import counted
from mnemostream.contracts.sources import DEFAULTS, completed, defaults, distinct, parse
from mnemostream.contracts.vitals import EmbedderVitals
from mnemostream.local.endpoints import Endpoints
from mnemostream.local.system import System
from mnemostream.runtime.clock import Pace
from mnemostream.runtime.disk.files import walk
from mnemostream.runtime.process.home import home

POLL_SECONDS = 0.5


class Ended(msgspec.Struct, frozen=True):
    """Why there is no more to wait for: the exit code, and words for people ("" = all is done)."""

    code: int = 0
    words: str = ""


class Figures(msgspec.Struct, frozen=True):
    """One look at the whole."""

    status: str = "starting"
    files: int = 0
    discovered: int = 0
    captured: int = 0
    swept: bool = False
    behind: int = 0
    absent: int = 0
    """Transcripts that are no longer on disk; -1 = a watched folder is missing or closed, so nobody knows."""
    unreadable: int = 0
    dead: int = 0
    lag_embedder: int = 0
    lag_writer: int = 0
    messages: int = 0
    conversations: int = 0
    chunks: int = 0
    eta: float | None = None
    model: str = ""
    issues: tuple[str, ...] = ()
    watchers: frozenset[int] = frozenset()
    """Process ids of the watchers that told them."""

    @property
    def saved(self) -> bool:
        """Everything on disk is captured and stored, as far as the health service knows."""
        return self.swept and not self.behind and not self.lag_writer

    @property
    def done(self) -> bool:
        """Everything on disk went through every stage."""
        return self.saved and not self.lag_embedder and bool(self.model)


async def look(client: httpx.AsyncClient, where: Endpoints) -> Figures:
    """Figures from the health API; empty ones while it does not answer."""
    try:
        url, shown = f"{where.health_url}/v1/autosave", headers(where)
        health = decoded(await client.get(f"{url}/health", headers=shown), Health)
        stats = decoded(await client.get(f"{url}/stats", headers=shown), Stats)
        return _figures(health, stats) if health.stages else Figures()
    except (httpx.HTTPError, CannotTell):
        return Figures()


def _figures(health: Health, stats: Stats) -> Figures:
    watcher, stages, streams = stats.watcher, health.stages, stats.streams
    lag = {name: (stage.lag.pending or 0) + stage.lag.ack_pending for name, stage in stages.items()}
    instances = stages["embedder"].instances.values()
    embedders = [instance.vitals for instance in instances if isinstance(instance.vitals, EmbedderVitals)]
    none = StreamFigures(0, 0, -1)
    return Figures(
        status=health.status,
        files=watcher.files or 0,
        discovered=watcher.discovered_bytes or 0,
        captured=watcher.captured_bytes or 0,
        swept=(watcher.sweeps or 0) >= 1,
        behind=watcher.files_behind or 0,
        absent=-1 if watcher.missing_folders or watcher.unlistable_folders else watcher.absent_files or 0,
        unreadable=watcher.unreadable_files or 0,
        dead=streams.get(topology.DEADLETTERS.name, none).messages,
        lag_embedder=lag["embedder"],
        lag_writer=lag["writer"],
        messages=streams.get(topology.TRANSCRIPTS.name, none).messages,
        conversations=stats.conversations or 0,
        chunks=sum(vitals.chunks or 0 for vitals in embedders),
        eta=stages["embedder"].lag.eta_seconds,
        model=next((vitals.model for vitals in embedders if vitals.model), ""),
        issues=tuple(health.issues),
        watchers=frozenset(instance.pid for instance in stages["watcher"].instances.values()),
    )


async def follow(
    system: System,
    console: Console,
    stop: asyncio.Event,
    *,
    once: bool,
    say: Callable[[str], None],
    absent: Callable[[int], None] = lambda count: None,
) -> Ended:
    """Shows progress until `stop`, or with `once` until all is done or cannot be. `say` gets what is worth a line,
    `absent` after each look how many archived transcripts are no longer on disk."""
    with Progress(
        TextColumn("[bold]{task.description:<9}"),
        BarColumn(bar_width=28),
        TextColumn("{task.percentage:>5.1f}%"),
        TextColumn("{task.fields[words]}", markup=False),
        console=console,
        transient=True,
    ) as bars:
        show = _painter(bars, say, await asyncio.to_thread(_watched, system.endpoints.roots))
        letters = -1
        async with asking(system.endpoints) as client:
            while not stop.is_set():
                figures = await look(client, system.endpoints)
                if system.children["watcher"].pid not in figures.watchers:  # what an earlier one has told
                    figures = Figures(status=figures.status)
                show(figures)
                if figures.swept and figures.absent >= 0:
                    absent(figures.absent)
                letters = figures.dead if letters < 0 and figures.discovered else letters
                if system.fatal:
                    return Ended(EX_FALSE, system.fatal)
                without = system.not_embedding
                saved = figures.saved if without else figures.done
                if once and saved and (verdict := await _verdict(system, figures, letters)) is not None:
                    return verdict
                try:
                    await asyncio.wait_for(stop.wait(), POLL_SECONDS)
                except TimeoutError:
                    continue
    return Ended(EX_FALSE, "stopped before everything was processed") if once else Ended()


def _watched(roots: Iterable[str]) -> int:
    """How many folders there are to watch."""
    named = completed(map(parse, roots), os.environ, home()) or defaults(os.environ, home())
    return sum(os.path.isdir(root.folder) for root in distinct(named))


def _painter(bars: Progress, say: Callable[[str], None], folders: int) -> Callable[[Figures], None]:
    capture = bars.add_task("captured", total=1, words="")
    embed = bars.add_task("embedded", total=1, words="")
    loop = asyncio.get_running_loop()
    captured, embedded = Pace(), Pace()
    watching = f"watching {counted(folders, 'folder')}"
    told: list[str] = []

    def show(figures: Figures) -> None:
        megabytes = f"{figures.captured / 1e6:.1f} of {figures.discovered / 1e6:.1f} MB"
        pace = captured.at(loop.time(), figures.captured)
        missing = figures.discovered - figures.captured
        left = f", about {missing / pace:.0f} s left" if pace > 0 and missing > 0 else ""
        summary = (
            f"{counted(figures.files, 'file')}, {megabytes}{left}, {counted(figures.conversations, 'conversation')}"
        )
        bars.update(capture, total=max(1, figures.discovered), completed=figures.captured, words=summary)
        speed = embedded.at(loop.time(), figures.chunks)
        left = f", about {figures.eta:.0f} s left" if figures.eta else ""
        all_of_it = "everything saved and embedded" if figures.done else "everything saved" if figures.saved else ""
        if all_of_it and all_of_it not in told:
            told.append(all_of_it)
            say(f"{all_of_it}: {counted(figures.files, 'file')}, {figures.captured / 1e6:.1f} MB; {watching}")
        working = (
            f"{counted(figures.chunks, 'chunk')}, {speed:.0f}/s{left}" if figures.lag_embedder or speed else watching
        )
        finished = figures.messages - figures.lag_embedder
        words = f"{working}  [{figures.status}]"
        bars.update(embed, total=max(1, figures.messages), completed=finished, words=words)

    return show


async def _verdict(system: System, figures: Figures, letters: int) -> Ended | None:
    """How it ends when the database agrees that all is there, or never will; None to look again. `letters` = dead
    letters that were there at the start."""
    try:
        connection = await asyncpg.connect(system.endpoints.postgres_dsn, timeout=5, command_timeout=30)
        try:
            row = await connection.fetchrow(queries.read("progress"), figures.model)
            known = {each["root"] for each in await connection.fetch("select distinct root from transcripts")}
        finally:
            connection.terminate()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return None  # it is being started again
    if figures.dead and not row["unindexed"]:
        stored = f"{row['stored_bytes'] / 1e6:.1f} of {figures.captured / 1e6:.1f} MB stored"
        before = f", {letters} of them from before this start" if letters > 0 else ""
        words = f"{stored}; dead letters: {figures.dead}{before}; see `mnemo deadletters`"
        return Ended(EX_DEAD_LETTERS, words)
    if figures.unreadable:
        return Ended(EX_FALSE, f"{counted(figures.unreadable, 'file')} cannot be read: {'; '.join(figures.issues)}")
    if (
        row["stored_bytes"] < figures.captured
        or row["unindexed"]
        or (not system.not_embedding and row["texts"] != row["embedded"])
    ):
        return None
    overlooked = await asyncio.to_thread(_overlooked, system.endpoints.roots, known)
    return Ended(EX_FALSE if overlooked else 0, overlooked)


def _overlooked(roots: Iterable[str], known: Iterable[str]) -> str:
    """Which folder gave nothing although it holds files that look like transcripts: "done" would be wrong."""
    missing = []
    for root in distinct(parse(text) for text in roots if text != DEFAULTS):
        count = sum(bool(stat.size) for _, stat in walk(root.folder, root.leaves, []))
        if count and root.folder not in known:
            missing.append(f"{root} ({counted(count, 'file')})")
    return f"nothing was captured from {', '.join(missing)}; `mnemo doctor` lists what is left out" if missing else ""
