"""The service managers: systemd (the user's, or the system's for root) and launchd."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mnemostream.local.secrets import write_private
from mnemostream.local.service import units

ENVIRONMENT = "service.env"
PASSED = (
    "PATH", "LANG", "LC_ALL", "HF_HOME", "SSL_CERT_FILE", "XDG_DATA_HOME",
    "CLAUDE_CONFIG_DIR", "CODEX_HOME", "PI_CODING_AGENT_DIR",
)  # fmt: skip
"""Variables that a service needs as its installer had them, beside our own."""


class CannotManage(Exception):
    """The text says why, and what to do."""


class Manager:
    """One service of one user. Commands raise CannotManage."""

    name = ""

    def __init__(self, data: Path, home: Path) -> None:
        self.data = data
        self.home = home
        self.warning = ""
        """What could not be had, and what that means."""

    @property
    def file(self) -> Path:
        """What the manager reads."""
        raise NotImplementedError

    def is_of_this_folder(self) -> bool:
        """False if what is installed runs on another data folder: there is one service of a user."""
        raise NotImplementedError

    def install(self, command: Sequence[str], environ: Mapping[str, str]) -> list[Path]:
        """Writes, enables and starts it, or starts it anew if it was there; what it wrote."""
        raise NotImplementedError

    def uninstall(self) -> list[Path]:
        """Stops it and removes what `install` wrote; the data stays."""
        raise NotImplementedError

    def restart(self) -> None:
        """Stops and starts it."""
        raise NotImplementedError

    def state(self) -> str:
        """`active`, `inactive`, `failed` …, as the manager says it; "not installed"."""
        raise NotImplementedError

    def variables(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Of the service."""
        return {name: value for name, value in environ.items() if name.startswith("MNEMO_") or name in PASSED}

    def _run(self, *command: str, check: bool = True) -> str:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=960)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CannotManage(f"{' '.join(command)}: {error}") from error
        said = (done.stdout + done.stderr).strip()
        if check and done.returncode:
            raise CannotManage(f"`{' '.join(command)}` failed: {said or done.returncode}")
        return said


class Systemd(Manager):
    """A unit. As root it is one of the system; else the user's, who lingers: it runs without a login."""

    name = "systemd"

    @property
    def _system(self) -> bool:
        return os.geteuid() == 0

    @property
    def file(self) -> Path:
        """The unit."""
        if self._system:
            return Path("/etc/systemd/system") / f"{units.NAME}.service"
        config = Path(os.environ.get("XDG_CONFIG_HOME") or self.home / ".config")
        return config / "systemd" / "user" / f"{units.NAME}.service"

    def is_of_this_folder(self) -> bool:
        """The unit names it."""
        return units.quoted(str(self.data)) in self.file.read_text()

    def _ctl(self, *words: str, check: bool = True) -> str:
        return self._run("systemctl", *([] if self._system else ["--user"]), *words, check=check)

    def install(self, command: Sequence[str], environ: Mapping[str, str]) -> list[Path]:
        """Raises CannotManage."""
        settings = self.data / ENVIRONMENT
        self.data.mkdir(parents=True, exist_ok=True)
        write_private(settings, units.environment(self.variables(environ)).encode())
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(units.unit(command, str(settings), system=self._system))
        self._ctl("daemon-reload")
        self._ctl("enable", units.NAME)
        if not self._system:
            try:
                self._run("loginctl", "enable-linger")
            except CannotManage as error:
                self.warning = f"it stops when you log out: {error}; an administrator can allow it"
        self._ctl("restart", units.NAME)
        return [self.file, settings]

    def uninstall(self) -> list[Path]:
        """Raises CannotManage."""
        self._ctl("disable", "--now", units.NAME, check=False)
        gone = [file for file in (self.file, self.data / ENVIRONMENT) if file.exists()]
        for file in gone:
            file.unlink()
        self._ctl("daemon-reload")
        return gone

    def restart(self) -> None:
        """Raises CannotManage."""
        self._ctl("restart", units.NAME)

    def state(self) -> str:
        """Raises CannotManage."""
        return self._ctl("is-active", units.NAME, check=False) if self.file.exists() else "not installed"


class Launchd(Manager):
    """An agent of the user who is logged in."""

    name = "launchd"

    @property
    def file(self) -> Path:
        """The property list."""
        return self.home / "Library" / "LaunchAgents" / f"{units.LABEL}.plist"

    def is_of_this_folder(self) -> bool:
        """The property list names it."""
        return str(self.data) in plistlib.loads(self.file.read_bytes())["ProgramArguments"]

    @property
    def _domain(self) -> str:
        return f"gui/{os.getuid()}"

    def install(self, command: Sequence[str], environ: Mapping[str, str]) -> list[Path]:
        """Raises CannotManage."""
        (self.data / "logs").mkdir(parents=True, exist_ok=True)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        log = str(self.data / "logs" / "service.log")
        write_private(self.file, units.agent(command, self.variables(environ), log))
        self._run("launchctl", "bootout", f"{self._domain}/{units.LABEL}", check=False)
        self._run("launchctl", "bootstrap", self._domain, str(self.file))
        return [self.file]

    def uninstall(self) -> list[Path]:
        """Raises CannotManage."""
        self._run("launchctl", "bootout", f"{self._domain}/{units.LABEL}", check=False)
        gone = [self.file] if self.file.exists() else []
        self.file.unlink(missing_ok=True)
        return gone

    def restart(self) -> None:
        """Raises CannotManage."""
        self._run("launchctl", "kickstart", "-k", f"{self._domain}/{units.LABEL}")

    def state(self) -> str:
        """Raises CannotManage."""
        if not self.file.exists():
            return "not installed"
        said = self._run("launchctl", "print", f"{self._domain}/{units.LABEL}", check=False)
        return "active" if "state = running" in said else "inactive"


def of_this_machine(data: Path, home: Path) -> Manager:
    """Raises CannotManage where there is none."""
    if sys.platform == "darwin" and shutil.which("launchctl"):
        return Launchd(data, home)
    if shutil.which("systemctl") and Path("/run/systemd/system").is_dir():
        return Systemd(data, home)
    raise CannotManage("neither systemd nor launchd runs here: `mnemo up --detach` runs it until the machine stops")
