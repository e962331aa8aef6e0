"""Settings: a frozen msgspec Struct per service, filled from environment variables.

A field `batch_chunks` of the embedder is `MNEMO_EMBEDDER_BATCH_CHUNKS`; the fields of `Common` have no
service in their name (`MNEMO_NATS_URL`). `<NAME>_FILE` names a file that holds the value, for secrets.
An unknown or misspelt variable with our prefix is an error; all problems are reported at once.
"""

from __future__ import annotations

import difflib
import json
import os
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from mnemostream.contracts.events import Stage
from mnemostream.runtime.errors import Misconfigured

PREFIX = "MNEMO_"
OTHER_OWNERS = ("LOCAL", "TEST", "COMPOSE")
"""Owners of variables besides the stages: `mnemo` itself, the tests, compose.yaml."""
ONE_SHOTS = frozenset({"EMBEDDER_MODEL", "STREAM_MAX_BYTES", "STREAM_REPLICAS", "WRITER_PASSWORD", "READER_PASSWORD"})
"""Variables of `runtime.provision` and `services.writer.migrate`: in one environment with those of the services, as
`mnemo up` has them, they are no mistake."""


Redact = Literal["", "publish"]

SLOWEST_BEAT = 6.0
"""Seconds. The health service takes an instance for silent after 20 s: three beats may be late or lost."""


class Common(msgspec.Struct, frozen=True, kw_only=True):
    """What every service needs."""

    nats_url: str = "nats://127.0.0.1:4222"
    """Address of NATS; may include user and password; `?owner=UID` names who must own a server on loopback."""
    postgres_dsn: str = "postgresql:///mnemo"
    """Address of the database; used by writer and health."""
    host: str = ""
    """Name of this machine in transcript ids; empty = the host name. Fixed in containers, whose names change."""
    instance: str = ""
    """Name of this process in heartbeats; empty = host name, an ID of where such names are kept, and the lowest
    free number: a restarted process has the name of its predecessor."""
    log_level: str = "info"
    """debug, info, warning or error."""
    heartbeat_seconds: float = 5.0
    """Time between two heartbeats, seconds; at most 6."""
    watchdog_blocked_seconds: float = 30.0
    """How long the event loop may be blocked before the process dumps all stacks and exits, seconds; 0 = never."""
    watchdog_stuck_seconds: float = 120.0
    """How long work in flight may make no progress before the process exits, seconds; 0 = never."""
    secret_rules: str = ""
    """File with further rules for recognising secrets, in the format of gitleaks; empty = only the built-in ones."""
    redact: Redact = ""
    """`publish` = replace secrets by placeholders of equal length before anything leaves the watcher; empty = archive
    every byte as it is, and mask secrets where they are shown."""
    alive_file: str = ""
    """File touched by the event loop, for `python -m mnemostream.runtime.process.alive` in containers; empty = none."""
    parent_pid: int = 0
    """ID of the process whose exit also ends this one; 0 = none. Set by `mnemo up`."""

    def __post_init__(self) -> None:
        """Raises Misconfigured."""
        if not 0.05 <= self.heartbeat_seconds <= SLOWEST_BEAT:
            raise Misconfigured(f"MNEMO_HEARTBEAT_SECONDS: {self.heartbeat_seconds} is not from 0.05 to {SLOWEST_BEAT}")

    @property
    def host_name(self) -> str:
        return self.host or socket.gethostname()

    @property
    def instance_name(self) -> str:
        return self.instance or f"{socket.gethostname()}-{os.getpid()}"


S = TypeVar("S", bound=Common)


def load(kind: type[S], owner: Stage | None, environ: Mapping[str, str]) -> S:
    """Settings of one service from its environment.

    Raises Misconfigured with every problem in it, each with the variable's name.
    """
    names = variables(kind, owner)
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in sorted(environ.items()):
        if not name.startswith(PREFIX):
            continue
        if not value and f"{name}_FILE" in environ:
            continue  # a compose file passes on what is not set as an empty text
        plain = name.removesuffix("_FILE") if name not in names else name
        if plain not in names:
            if not _owned_by_another(name, owner):
                problems.append(_unknown(name, names))
            continue
        field = names[plain]
        if field.name in values:
            problems.append(f"{plain}: set twice, directly and through {plain}_FILE")
            continue
        try:
            text = value if plain == name else Path(value).read_text().strip()
            values[field.name] = msgspec.convert(_value(text, field.type), field.type, strict=False)
        except OSError as error:
            problems.append(f"{name}: cannot read {value}: {error.strerror}")
        except msgspec.ValidationError as error:
            problems.append(f"{plain}: {error}")
    if problems:
        raise Misconfigured("settings:\n  " + "\n  ".join(problems))
    return kind(**values)


def variables(kind: type[Common], owner: Stage | None) -> dict[str, msgspec.structs.FieldInfo]:
    """Environment variable to field, of one service's settings."""
    common = {field.name for field in msgspec.structs.fields(Common)}
    own = f"{owner.upper()}_" if owner else ""
    return {
        f"{PREFIX}{'' if field.name in common else own}{field.name.upper()}": field
        for field in msgspec.structs.fields(kind)
    }


def _owned_by_another(name: str, owner: Stage | None) -> bool:
    others = [str(stage).upper() for stage in Stage if stage != owner] + list(OTHER_OWNERS)
    plain = name.removeprefix(PREFIX)
    return plain.removesuffix("_FILE") in ONE_SHOTS or plain.startswith(tuple(f"{other}_" for other in others))


def _unknown(name: str, names: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"{name}: unknown variable" + (f"; did you mean {near[0]}?" if near else "")


def joined(items: Iterable[str]) -> str:
    """A list as the value of a variable: any name that a file system allows comes back from `listed`."""
    return json.dumps(list(items))


def listed(text: str) -> list[str]:
    """A list in a variable: JSON, or texts separated by the platform's path separator (':' or ';').

    Raises msgspec.ValidationError.
    """
    if not text.lstrip().startswith(("[]", '["')):
        return [item for item in text.split(os.pathsep) if item]
    try:
        return msgspec.convert(json.loads(text), list[str])  # msgspec's reader refuses bytes that are no UTF-8
    except json.JSONDecodeError as error:
        raise msgspec.ValidationError(f"a list in JSON is expected: {error}") from error


def _value(text: str, kind: Any) -> object:
    if getattr(kind, "__origin__", None) is tuple:
        return listed(text)
    return {"true": True, "false": False}.get(text.lower(), text) if kind is bool else text
