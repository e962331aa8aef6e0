"""What `mnemo doctor` looks at, one thing a function; each finding says how to mend it."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import asyncpg
import msgspec

from mnemostream.archive import queries
from mnemostream.cli.model import packages
from mnemostream.contracts import topology
from mnemostream.contracts.events import Stage
from mnemostream.contracts.http.health import Health
from mnemostream.contracts.reasons import counted
from mnemostream.contracts.sources import PARSERS
from mnemostream.contracts.topology import DEFAULT_MODEL
from mnemostream.contracts.vitals import EmbedderVitals
from mnemostream.local import ports as free_ports
from mnemostream.local import system
from mnemostream.local.folder import open_to_others
from mnemostream.runtime import provision
from mnemostream.runtime.bus import connect
from mnemostream.runtime.errors import Misconfigured, Transient
from mnemostream.runtime.heartbeat import service_version
from mnemostream.runtime.process.command import python
from mnemostream.runtime.process.lifecycle import CHECK

LOW_DISK_BYTES = 2 << 30
CLOCK_SECONDS = 5.0
OLDEST_NATS = (2, 12)
"""Atomic batches came with it."""
OLDEST_POSTGRES = 15
PACKAGES = ("nats-py", "msgspec", "asyncpg", "litestar", "watchfiles")
INOTIFY = Path("/proc/sys/fs/inotify/max_user_watches")


class Check(msgspec.Struct, frozen=True):
    """One finding: `ok`, `note` (nothing to do), or `wrong` with its remedy."""

    name: str
    state: str
    words: str
    remedy: str = ""


def versions() -> list[Check]:
    """Python, our own version, and the packages that services stand on."""
    missing = [name for name in PACKAGES if not _installed(name)]
    here = f"mnemostream {service_version()}, Python {platform.python_version()}, {platform.system()}"
    if missing:
        lacks = f"{here}; not installed: {', '.join(missing)}"
        return [Check("versions", "wrong", lacks, "`pip install --force-reinstall mnemostream` (or `make run`)")]
    return [Check("versions", "ok", f"{here}; nats-server {_nats_server()}; {_torch()}")]


def _torch() -> str:
    """Which build of PyTorch there is; the bundled model needs none."""
    if _installed("torch"):
        return f"PyTorch {version('torch')}"
    return f"without PyTorch{'; `make torch` lets embedders use the GPU' if Path('/dev/nvidiactl').exists() else ''}"


def _installed(name: str) -> bool:
    with contextlib.suppress(PackageNotFoundError):
        return bool(version(name))
    return False


def _nats_server() -> str:
    binary = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which("nats-server")
    if binary is None:
        return "not installed"
    done = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10)
    return done.stdout.strip().removeprefix("nats-server: ").removeprefix("v")


def settings(environ: Mapping[str, str]) -> list[Check]:
    """The environment, as each service reads it."""
    problems: list[str] = []
    filled = {"MNEMO_HEALTH_CANARY_FOLDER": "canary"} if environ.get("MNEMO_HEALTH_CANARY_SECONDS", "0") != "0" else {}
    for stage in Stage:
        argv = [*python(f"mnemostream.services.{stage}.main"), CHECK]
        done = subprocess.run(argv, env={**filled, **environ}, capture_output=True, text=True, timeout=60)
        if done.returncode:
            problems += done.stderr.strip().removeprefix("misconfigured: ").removeprefix("settings:").splitlines()
    causes = list(dict.fromkeys(problem.strip() for problem in problems if problem.strip()))
    if causes:
        return [Check("settings", "wrong", "; ".join(causes), "see docs/settings.md for all variables")]
    return [Check("settings", "ok", f"{sum(name.startswith('MNEMO_') for name in environ)} variables set, all valid")]


def model(environ: Mapping[str, str]) -> list[Check]:
    """Can the model be had, without loading it?"""
    name = environ.get("MNEMO_EMBEDDER_MODEL", "")
    if not name or name == DEFAULT_MODEL:
        if lacks := [*packages.missing()[0], *packages.missing()[1]]:
            return [Check("model", "wrong", f"not installed: {', '.join(lacks)}", "mnemo model install")]
        return [Check("model", "ok", f"{DEFAULT_MODEL}, bundled")]
    if not (_installed("torch") and _installed("sentence-transformers")):
        remedy = "make torch, or pip install 'mnemostream[torch]'"
        return [Check("model", "wrong", f"{name} needs PyTorch and sentence-transformers", remedy)]
    if Path(name).is_dir():
        if (Path(name) / "modules.json").exists() or (Path(name) / "config.json").exists():
            return [Check("model", "ok", f"folder {name}")]
        remedy = "specify a folder saved by sentence-transformers"
        return [Check("model", "wrong", f"folder {name} contains no model", remedy)]
    if environ.get("HF_HUB_OFFLINE") == "1":
        remedy = "unset HF_HUB_OFFLINE for the first start, or specify a folder"
        return [Check("model", "note", f"{name} must be in the local cache because HF_HUB_OFFLINE=1 is set", remedy)]
    return [Check("model", "note", f"{name} is downloaded at the first start if it is not cached")]


def disk(data: Path, home: Path) -> list[Check]:
    """Space below the data folder."""
    place = next((folder for folder in (data, *data.parents, home) if folder.exists()), home)
    free = shutil.disk_usage(place).free
    low = free < LOW_DISK_BYTES
    remedy = "free up disk space; capture pauses when the disk is full" if low else ""
    return [Check("disk", "wrong" if low else "ok", f"{free / 1e9:.1f} GB free at {data}", remedy)]


def permissions(data: Path) -> list[Check]:
    """Who may read and write the data folder and its secrets."""
    if not data.exists():
        return [Check("permissions", "note", f"{data} is created at the first start")]
    if not os.access(data, os.W_OK | os.X_OK):
        return [Check("permissions", "wrong", f"{data} is not writable", f"chown {os.getuid()} {data}")]
    if open_ := open_to_others(data):
        names = [str(path) for path in open_]
        text = f"open to other users: {', '.join(names[:10])}{' …' if len(names) > 10 else ''}"
        return [Check("permissions", "wrong", text, f"chmod go-rwx {' '.join(names[:10])}")]
    return [Check("permissions", "ok", f"{data} is writable, and closed to other users")]


def watches(folders: Sequence[str]) -> list[Check]:
    """Linux: notification takes a watch for each folder."""
    if not INOTIFY.exists():
        return []
    limit = int(INOTIFY.read_text())
    needed = sum(1 for folder in folders if os.path.isdir(folder) for _ in os.walk(folder))
    if needed * 2 > limit:
        text = f"{counted(needed, 'folder')}, but the system allows only {limit} inotify watches"
        return [Check("watches", "wrong", text, "sysctl fs.inotify.max_user_watches=524288")]
    return [Check("watches", "ok", f"{counted(needed, 'folder')}, {limit} inotify watches allowed")]


def ports() -> list[Check]:
    """The default ports, while nothing runs here."""
    wanted = {"NATS": system.NATS_PORT, "health": system.HEALTH_PORT, "PostgreSQL": system.POSTGRES_PORT}
    taken = [f"{port} ({name})" for name, port in wanted.items() if not free_ports.is_free(port)]
    if taken:
        text = f"in use by another program: {', '.join(taken)}"
        return [Check("ports", "note", text, "`mnemo up` uses the next free ports; its options select others")]
    return [Check("ports", "ok", f"{', '.join(map(str, wanted.values()))} are free")]


def clocks(health: Health, now: float) -> list[Check]:
    """Clocks of this machine, of the health service and, by its issues, of the instances."""
    health_time = datetime.fromisoformat(health.timestamp).timestamp()
    off = health_time - now
    strange = [issue for issue in health.issues if "its clock is" in issue]
    if abs(off) > CLOCK_SECONDS:
        strange.append(f"the health service's clock differs from this machine's by {off:+.0f} s")
    if strange:
        return [Check("clock", "wrong", "; ".join(strange), "set the clocks by NTP; record timestamps depend on them")]
    return [Check("clock", "ok", "matches the health service's clock")]


def services(health: Health) -> list[Check]:
    """Do all instances run this version, and all embedders one model?"""
    instances = [(name, instance) for stage in health.stages.values() for name, instance in stage.instances.items()]
    other = sorted(
        {f"{name} {instance.version}" for name, instance in instances if instance.version != service_version()}
    )
    embedders = [instance.vitals for _, instance in instances if isinstance(instance.vitals, EmbedderVitals)]
    models = {vitals.model for vitals in embedders if vitals.model}
    checks = []
    if other:
        text = f"not running version {service_version()}: {', '.join(other)}"
        checks.append(Check("services", "wrong", text, "restart them: `mnemo up`, or docker compose up -d --build"))
    if len(models) > 1:
        text = f"the embedders use different models: {', '.join(sorted(models))}"
        checks.append(Check("model", "wrong", text, "set the same MNEMO_EMBEDDER_MODEL for all"))
    for refused in sorted({vitals.refused for vitals in embedders if vitals.refused}):
        remedy = "reinstall the project, or set MNEMO_EMBEDDER_ENGINE to the engine that you want"
        checks.append(Check("engine", "wrong", f"an embedder does not use its fastest engine: {refused}", remedy))
    engines = ", ".join(sorted({vitals.engine for vitals in embedders if vitals.engine}))
    text = f"{len(instances)} instances of version {service_version()}{f'; vectors by {engines}' if engines else ''}"
    return checks or [Check("services", "ok", text)]


async def bus(url: str) -> list[Check]:
    """NATS: does it answer, is it new enough, are streams and consumers as they should be?"""
    try:
        async with connect(url, "mnemo doctor", within=5) as nats:
            release = nats.client.connected_server_version
            version_ = f"nats-server {release.major}.{release.minor}.{release.patch}"
            if (release.major, release.minor) < OLDEST_NATS:
                text = f"{version_} does not support atomic batch publishing"
                return [Check("bus", "wrong", text, "install nats-server {}.{} or newer".format(*OLDEST_NATS))]
            drifts = await provision.drifts(nats)
    except (Transient, Misconfigured) as error:
        return [Check("bus", "wrong", f"NATS does not answer: {error}", "see logs/nats.log in the data folder")]
    if drifts:
        return [Check("bus", "wrong", "; ".join(drift.cause for drift in drifts), "run `mnemo doctor --repair`")]
    return [Check("bus", "ok", f"{version_}, {len(topology.STREAMS)} streams")]


async def reading(connection: asyncpg.Connection) -> list[Check]:
    """How the archive was read: by which parsers, and what nobody knows of who wrote it."""
    findings = []
    if older := await connection.fetchval(queries.read("older_parsers"), list(PARSERS), list(PARSERS.values())):
        text = f"{older} transcripts were read by an older parser"
        findings.append(Check("reading", "note", text, "`mnemo replay --reparse` reads them anew, without their files"))
    odd = await connection.fetch(queries.read("odd_authors"))
    if odd:
        text = "unknown authors: " + ", ".join(f"{row['witness']} ({row['lines']} times)" for row in odd)
        findings.append(Check("reading", "note", text, "report them: they are read by what else the records say"))
    return findings or [Check("reading", "ok", "by the present parsers; every record says who wrote it")]


async def database(connection: asyncpg.Connection, now: float) -> list[Check]:
    """PostgreSQL: version, pgvector, clock, read-only."""
    row = await connection.fetchrow(
        "select current_setting('server_version_num')::int / 10000 as major,"
        " current_setting('server_version') as words,"
        " (select extversion from pg_extension where extname = 'vector') as vector,"
        " extract(epoch from clock_timestamp())::float8 as at, pg_is_in_recovery() as standby"
    )
    text = f"PostgreSQL {row['words'].split()[0]}, pgvector {row['vector'] or 'missing'}"
    if row["major"] < OLDEST_POSTGRES:
        return [Check("database", "wrong", text, f"install PostgreSQL {OLDEST_POSTGRES} or newer")]
    if row["vector"] is None:
        return [Check("database", "wrong", text, "add pgvector, run `python -m mnemostream.services.writer.migrate`")]
    if row["standby"]:
        return [Check("database", "wrong", f"{text}: a read-only standby", "set MNEMO_POSTGRES_DSN to the primary")]
    if abs(row["at"] - now) > CLOCK_SECONDS:
        text += f"; its clock is {row['at'] - now:+.0f} s off"
        return [Check("database", "wrong", text, "set the clocks with NTP")]
    return [Check("database", "ok", text)]
