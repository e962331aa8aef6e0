"""Looks at the database and the disks, each in its own time: one that hangs is no fault of another."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from mnemostream.contracts.events import Stage
from mnemostream.contracts.sources import PARSERS
from mnemostream.runtime import bus
from mnemostream.runtime.clock import Clock
from mnemostream.runtime.errors import Misconfigured, Transient
from mnemostream.runtime.logs import Log
from mnemostream.services.health.judge import samples
from mnemostream.services.health.judge.observer import Observer
from mnemostream.services.health.observe import probe
from mnemostream.services.health.observe import store as store_module
from mnemostream.services.health.observe.canary import CanaryProbe
from mnemostream.services.health.observe.store import Store
from mnemostream.services.health.settings import Settings

log = Log("mnemo.health.storage")

RECENT = 1000
"""Conversations that can be paged through."""
IMPORT_DAYS, HOURLY_DAYS = 366, 3
FIGURES_TIMEOUT = 60.0
SOON_SECONDS, REST = 1.0, 20
"""Between two counts, and so many times what one took: they cost a twentieth of a core at most."""
COMPLAINTS = 2
"""Looks in a row: a server that has just started is still reading its store."""


class Polling:
    """Tasks that run until they are cancelled; what they see goes to the observer."""

    def __init__(self, settings: Settings, clock: Clock, observer: Observer) -> None:
        self.settings = settings
        self.clock = clock
        self.observer = observer
        self.folders = settings.folders()

    async def alive(self) -> None:
        """Does the database take rows?"""
        store = Store(self.settings.postgres_dsn, "alive", probe.TIMEOUT)
        try:
            while True:
                self.observer.database(await store_module.database_error(store), self.clock.now())
                await asyncio.sleep(self.settings.probe_seconds)
        finally:
            await store.close()

    async def server(self) -> None:
        """Does nats-server say that all of it works? A full disk shows nowhere else, and stays until a restart."""
        complaints = 0
        while self.settings.system_url:
            with suppress(Transient, Misconfigured):
                async with bus.connect(self.settings.system_url, name="health system", within=probe.TIMEOUT) as system:
                    while True:
                        complaint = await probe.complaint(system)
                        complaints = complaints + 1 if complaint else 0
                        self.observer.store_error = complaint if complaints >= COMPLAINTS else ""
                        await asyncio.sleep(self.settings.probe_seconds)
            await asyncio.sleep(self.settings.probe_seconds)

    async def canary(self) -> None:
        """Do the synthetic lines arrive?"""
        settings = self.settings
        if not (settings.canary_seconds and settings.canary_folder):
            return
        store = Store(settings.postgres_dsn, "canary", probe.TIMEOUT)
        canary = CanaryProbe(Path(settings.canary_folder), settings.canary_seconds, self.observer)
        try:
            while True:
                if self.observer.database_error == "":
                    await canary.look(store, self.clock.now())
                await asyncio.sleep(settings.probe_seconds)
        finally:
            await store.close()

    async def disks(self) -> None:
        """How much is free?"""
        while self.folders:
            for name, path in self.folders.items():
                free = await asyncio.to_thread(store_module.disk_free, path)
                if free is None:
                    self.observer.disks.pop(name, None)
                else:
                    self.observer.disks[name] = free
            await asyncio.sleep(self.settings.probe_seconds)

    async def figures(self) -> None:
        """Counts over the database, only when something was written, the database was away, or rows are missing;
        after what was quick again soon."""
        store = Store(self.settings.postgres_dsn, "figures", FIGURES_TIMEOUT)
        counted: tuple[float, ...] = ()
        try:
            while True:
                began = self.clock.monotonic()
                written = (self.observer.instances.done[Stage.WRITER], self.observer.database_back_at)
                if (written != counted or self.observer.rows.bytes) and self.observer.database_error == "":
                    counted = await self._count(store, written, counted)
                rest = max(SOON_SECONDS, REST * (self.clock.monotonic() - began))
                await asyncio.sleep(min(self.settings.figures_seconds, rest))
        finally:
            await store.close()

    async def _count(self, store: Store, written: tuple[float, ...], counted: tuple[float, ...]) -> tuple[float, ...]:
        """Each answer is shown as soon as it is there; `counted` stays what it was when one of them failed."""
        observer = self.observer
        try:
            watchers = observer.window(Stage.WATCHER).alive.values()
            published = samples.published(instance.watcher for instance in watchers)
            observer.counted(published, await store.ask("ledger"))
            observer.coverage = await store.ask("coverage")
            older = await store.ask("older_parsers", list(PARSERS), list(PARSERS.values()))
            figures = {**(await store.ask("figures"))[0], "older_parsers": older[0]["transcripts"]}
            figures["hosts"] = await store.ask("hosts")
            observer.figures = {**figures, "counted_at": self.clock.now()}
            observer.hourly = await store.ask("imports", HOURLY_DAYS, "hour")
            observer.daily = await store.ask("imports", IMPORT_DAYS, "day")
            observer.recent = await store.ask("recent", RECENT, 0, True)
        except Exception as error:  # whatever the database answers; whether it is well is asked elsewhere
            log.warning("database statistics not updated", error=store_module.describe(error))
            return counted
        return written
