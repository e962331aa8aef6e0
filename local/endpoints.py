"""Where a running Mnemostream answers: `endpoints.json` in the data folder, or the environment."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import platformdirs

from mnemostream.local import folder
from mnemostream.local.secrets import write_private
from mnemostream.runtime.connection import address
from mnemostream.runtime.errors import Misconfigured
from mnemostream.runtime.process.home import NOWHERE, home
from mnemostream.runtime.settings import listed

TOKEN = "MNEMO_LOCAL_HEALTH_TOKEN"
ADDRESSES = ("MNEMO_NATS_URL", "MNEMO_POSTGRES_DSN", "MNEMO_LOCAL_HEALTH_URL")
OWN_SERVERS = ("MNEMO_LOCAL_NATS_URL", "MNEMO_LOCAL_POSTGRES_DSN")
SCHEMES = (("nats", "tls", "ws", "wss"), ("postgresql", "postgres"))
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
    reader_nats_url: str = ""
    """For commands that change nothing; empty = the same."""
    reader_postgres_dsn: str = ""
    health_socket: str = ""
    """Socket of the API in a private folder: who listens there is ours; empty = ask `health_url`."""
    redact: str = ""
    """Whether the watcher replaces secrets, as in its settings."""
    host: str = ""
    """Name of the installation in transcript ids; empty = that of the machine, or MNEMO_HOST."""
    nats_elsewhere: bool = False
    """NATS is not a process of this user: who listens there is not looked at."""
    edge: str = ""
    """Name of this machine at the server whose NATS it is: here runs a watcher, and nothing else."""
    elsewhere: bool = False
    """Others run it (compose): no lock on this folder tells whether it runs."""

    def reading(self) -> Endpoints:
        """The same with the accounts that only read."""
        return msgspec.structs.replace(
            self,
            nats_url=self.reader_nats_url or self.nats_url,
            postgres_dsn=self.reader_postgres_dsn or self.postgres_dsn,
        )


class Given(msgspec.Struct, frozen=True):
    """Addresses of servers of one's own, for `mnemo up`; empty = it starts one."""

    nats_url: str = ""
    postgres_dsn: str = ""

    @property
    def variables(self) -> dict[str, str]:
        """The same as environment variables."""
        both = zip(OWN_SERVERS, (self.nats_url, self.postgres_dsn), strict=True)
        return {name: value for name, value in both if value}


class NotRunning(Exception):
    """Nothing says where Mnemostream answers."""


class IsEdge(NotRunning):
    """Here runs a watcher that ships to a server elsewhere."""


def data_folder(folder: str | None) -> Path:
    """`--data`, else `MNEMO_LOCAL_DATA`, else the platform's user data folder. Raises Misconfigured."""
    chosen = folder or os.environ.get("MNEMO_LOCAL_DATA")
    if chosen:
        return (home() / chosen[2:] if chosen.startswith("~/") else Path(chosen)).resolve()
    if home() == NOWHERE and not os.environ.get("XDG_DATA_HOME"):
        raise Misconfigured("no home folder is known, and so no data folder: set HOME, or specify --data")
    return Path(platformdirs.user_data_dir("mnemostream"))


def given(nats_url: str | None, postgres_dsn: str | None) -> Given:
    """By option, by variable, or by the file that `<NAME>_FILE` names. Raises Misconfigured for what is no address."""
    try:
        found = [value or told(name) for name, value in zip(OWN_SERVERS, (nats_url, postgres_dsn), strict=True)]
    except NotRunning as error:
        raise Misconfigured(str(error)) from error
    for name, value, schemes in zip(OWN_SERVERS, found, SCHEMES, strict=True):
        try:
            scheme = urlsplit(value).scheme
        except ValueError as error:
            raise Misconfigured(f"{name}: {error}; percent-encode special characters of the password") from error
        if value and scheme not in schemes:
            raise Misconfigured(f"{name}: an address begins with {' or '.join(f'{each}://' for each in schemes)}")
    return Given(*found)


def write(data: Path, endpoints: Endpoints) -> None:
    """Writes endpoints.json."""
    text = json.dumps(msgspec.to_builtins(endpoints), indent=2)  # names of folders may be no UTF-8
    write_private(data / "endpoints.json", text.encode() + b"\n")


def remove(data: Path) -> None:
    """At the end: nothing answers there any more."""
    (data / "endpoints.json").unlink(missing_ok=True)


def told(name: str) -> str:
    """An environment variable, or the content of the file that `<NAME>_FILE` names. Raises NotRunning."""
    if file := os.environ.get(f"{name}_FILE"):
        try:
            return Path(file).read_text().strip()
        except OSError as error:
            raise NotRunning(f"{name}_FILE: {file} cannot be read: {error.strerror}") from error
    return os.environ.get(name, "")


def of_containers(data: Path) -> bool:
    """True for the folder of an instance that compose runs."""
    return _of_others(data) is not None


def _of_others(data: Path) -> Endpoints | None:
    """Addresses of an instance that no `mnemo up` runs; None where the folder is of one."""
    with suppress(OSError, ValueError, msgspec.ValidationError):
        found = msgspec.convert(json.loads((data / "endpoints.json").read_bytes()), Endpoints)
        return found if found.elsewhere else None
    return None


def read(data: Path) -> Endpoints:
    """The addresses. Environment variables (for compose) win over the file.

    Raises NotRunning when neither says it.
    """
    nats_url, postgres_dsn, health_url = (told(name) for name in ADDRESSES)
    if nats_url and postgres_dsn and health_url:
        roots, include, exclude = (tuple(listed(os.environ.get(name, ""))) for name in LISTS)
        here = Endpoints(nats_url, postgres_dsn, health_url, told(TOKEN), roots, include, exclude)
        return msgspec.structs.replace(here, redact=os.environ.get("MNEMO_REDACT", ""), elsewhere=True)
    if (found := _of_others(data)) is not None:
        return found
    if not folder.in_use(data):  # whoever listens at the addresses of an instance that has ended is not ours
        raise NotRunning(f"nothing is running on {data}: run `mnemo up`, or specify its folder with --data")
    try:
        found = msgspec.convert(json.loads((data / "endpoints.json").read_bytes()), Endpoints)
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise NotRunning(f"the start on {data} is not finished yet") from error
    if found.edge:
        server = urlsplit(found.nats_url).hostname
        raise IsEdge(f"this machine ships to {server} as {found.edge}: run the command there")
    if found.nats_elsewhere:
        return found
    owner = f"?{address.OWNER}={os.geteuid()}"
    nats_urls = (url and url + owner for url in (found.nats_url, found.reader_nats_url))
    return msgspec.structs.replace(found, **dict(zip(("nats_url", "reader_nats_url"), nats_urls, strict=True)))
