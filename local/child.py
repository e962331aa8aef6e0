"""Child processes: started, watched, restarted with back-off, stopped in order, never left behind."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil

BACKOFF = (0.2, 0.2, 0.5, 1.0, 2.0)
STABLE_SECONDS = 10.0
EX_CONFIG = 78
MOST_STARTS = 5
SILENT_SECONDS, WORK_SECONDS, PATIENT_SECONDS = 60.0, 0.05, 10.0
"""A server that starts may compute nothing for so long; so much is work; after so long a person is told."""
CONFIG_SECONDS = 30.0
"""Time between two tries of a process that says it is misconfigured."""


class Spec(msgspec.Struct, frozen=True):
    """One process to run."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log: Path
    user: str | None = None
    stop_signal: int = signal.SIGTERM
    stop_seconds: float = 10.0


class Child:
    """Keeps one process running. `say` hears of deaths."""

    def __init__(self, spec: Spec, say: Callable[[str], None]) -> None:
        self.spec = spec
        self.say = say
        self.process: asyncio.subprocess.Process | None = None
        self.restarts = 0
        self.fatal = ""
        self.unkept = ""
        """Why nobody starts it again if it ends; "" while somebody does."""
        self._stopping = False
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Starts it and, from now on, starts it again whenever it dies."""
        await self._spawn()
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.spec.name}")

    async def stop(self) -> None:
        """Asks, waits, then kills."""
        self._stopping = True
        process = self.process
        if self._keeper and process is None:
            self._keeper.cancel()
        if process and process.returncode is None:
            process.send_signal(self.spec.stop_signal)
            try:
                await asyncio.wait_for(process.wait(), self.spec.stop_seconds)
            except TimeoutError:
                self.say(f"{self.spec.name} did not stop within {self.spec.stop_seconds:.0f} s; killed")
                self.kill()
                await process.wait()
        if self._keeper:
            self._keeper.cancel()

    @property
    def pid(self) -> int:
        """The running process; 0 = none runs now."""
        return self.process.pid if self.process and self.process.returncode is None else 0

    def kill(self) -> None:
        """SIGKILL to it and to all that it has started, frozen or not; `start`ed ones come back by themselves."""
        if not self.pid:
            return
        with suppress(psutil.NoSuchProcess):
            family = psutil.Process(self.pid)
            for process in [family, *family.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    def ask_for_stacks(self) -> None:
        """SIGABRT: a service that is not frozen writes all its stacks to its log, and ends."""
        if self.process and self.pid:
            self.process.send_signal(signal.SIGABRT)

    def ask_to_stop(self) -> None:
        """The stop signal; it is started again."""
        if self.process and self.pid:
            self.process.send_signal(self.spec.stop_signal)

    def tail(self, lines: int = 5) -> str:
        """The end of its log."""
        try:
            return "\n".join(self.spec.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    async def answering(self, answers: Callable[[], Awaitable[bool]], working: str) -> None:
        """Returns when `answers` is true; `working` is said where it takes long. Raises RuntimeError when it has ended
        MOST_STARTS times, or has done nothing for SILENT_SECONDS: a recovery takes the time that it takes."""
        clock = asyncio.get_running_loop().time
        began = moved = clock()
        spent, told = 0.0, False
        while not await answers():
            if (now := self._cpu_seconds()) > spent + WORK_SECONDS:
                spent, moved = now, clock()
            if self.restarts >= MOST_STARTS or clock() - moved > SILENT_SECONDS:
                raise RuntimeError(f"{self.spec.name} does not answer: {self.tail() or self.spec.log}")
            if not told and clock() - began > PATIENT_SECONDS:
                told = True
                self.say(f"{working}; this may take a while")
            await asyncio.sleep(0.1)

    def _cpu_seconds(self) -> float:
        """What it and its children have computed."""
        with suppress(psutil.Error):
            family = psutil.Process(self.pid)
            return sum(sum(each.cpu_times()[:2]) for each in (family, *family.children(recursive=True)))
        return 0.0

    async def _spawn(self) -> None:
        with open(self.spec.log, "ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.spec.argv,
                env=dict(self.spec.env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self.spec.user,
                start_new_session=True,  # Ctrl-C in the terminal reaches the parent, which stops in order
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )

    async def _keep(self) -> None:
        try:
            await self._kept_running()
        except Exception as error:  # nobody would start it again: that is said, and ends the whole
            self.unkept = f"{self.spec.name} is no longer supervised: {type(error).__name__}: {error}"
            raise

    async def _kept_running(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while self.process:
            started = loop.time()
            code = await self._ended()
            if self._stopping:
                return
            failures = 0 if loop.time() - started > STABLE_SECONDS else failures + 1
            pause = BACKOFF[min(failures, len(BACKOFF)) - 1] if failures else BACKOFF[0]
            if code == EX_CONFIG:
                self.fatal = self.tail(3)
                pause = CONFIG_SECONDS  # a person must act, or memory was short for a moment
                self.say(f"{self.spec.name} is misconfigured; retrying in {pause:.0f} s: {self.fatal}")
            else:
                self.say(f"{self.spec.name} exited with code {code}; restarting in {pause:.1f} s")
            self.restarts += 1
            await asyncio.sleep(pause)
            while not self._stopping:
                try:
                    await self._spawn()
                    break
                except OSError as error:  # no memory, no file handle: for a moment
                    self.say(f"{self.spec.name} cannot be started: {error}; retrying in {CONFIG_SECONDS:.0f} s")
                    await asyncio.sleep(CONFIG_SECONDS)
            if self._stopping:
                return

    async def _ended(self) -> int:
        """The exit code of the running process. One that lives for a while is not misconfigured (any more)."""
        assert self.process is not None
        waiting = asyncio.ensure_future(self.process.wait())
        try:
            await asyncio.wait({waiting}, timeout=STABLE_SECONDS)
            if not waiting.done():
                self.fatal = ""
            return await waiting
        finally:
            waiting.cancel()


def _die_with_parent() -> None:
    """Linux: the kernel ends the child when its parent dies, kill -9 included (prctl PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


async def once(spec: Spec) -> None:
    """Runs a one-shot process to its end. Raises RuntimeError with the end of its log."""
    child = Child(spec, lambda text: None)
    await child._spawn()
    if child.process and await child.process.wait() != 0:
        raise RuntimeError(f"{spec.name} failed:\n{child.tail(12)}")


def service_env(extra: Mapping[str, str]) -> dict[str, str]:
    """Our environment without settings meant for others, plus what the service needs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MNEMO_LOCAL_", "MNEMO_TEST_"))}
    return {**kept, **extra}
