"""Where a running Mnemostream answers: `endpoints.json` in the data folder, or the environment."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import platformdirs

from local.secrets import write_private

TOKEN = "MNEMO_LOCAL_HEALTH_TOKEN"
LISTS = ("MNEMO_WATCHER_ROOTS", "MNEMO_WATCHER_INCLUDE", "MNEMO_WATCHER_EXCLUDE")


class Endpoints(msgspec.Struct, frozen=True):
    """The three addresses; they hold passwords, so the file has mode 0600."""

    nats_url: str
    postgres_dsn: str
    health_url: str
    health_token: str = ""
    roots: tuple[str, ...] = ()
    """What the watcher watches, as in its settings; empty = the default folders."""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


class NotRunning(Exception):
    """Nothing says where Mnemostream answers."""


def data_folder(folder: str | None) -> Path:
    """`--data`, else `MNEMO_LOCAL_DATA`, else the platform's user data folder."""
    chosen = folder or os.environ.get("MNEMO_LOCAL_DATA")
    return Path(chosen).expanduser().resolve() if chosen else Path(platformdirs.user_data_dir("mnemostream"))


def write(data: Path, endpoints: Endpoints) -> None:
    """Writes endpoints.json."""
    write_private(data / "endpoints.json", msgspec.json.format(msgspec.json.encode(endpoints), indent=2) + b"\n")


def read(data: Path) -> Endpoints:
    """The addresses. Environment variables (for compose) win over the file.

    Raises NotRunning when neither says it.
    """
    names = ("MNEMO_NATS_URL", "MNEMO_POSTGRES_DSN", "MNEMO_LOCAL_HEALTH_URL")
    if all(name in os.environ for name in names):
        nats_url, postgres_dsn, health_url = (os.environ[name] for name in names)
        lists = [tuple(filter(None, os.environ.get(name, "").split(os.pathsep))) for name in LISTS]
        return Endpoints(nats_url, postgres_dsn, health_url, os.environ.get(TOKEN, ""), *lists)
    try:
        return msgspec.json.decode((data / "endpoints.json").read_bytes(), type=Endpoints)
    except (OSError, msgspec.DecodeError) as error:
        raise NotRunning(f"nothing is running on {data}: run `mnemo up`, or specify its folder with --data") from error
