"""A machine to boot: systemd as the init of namespaces of its own, on an overlay of this machine's files."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.conftest import eventually

INIT = Path(__file__).with_name("init.sh")
SYSTEMD = Path("/lib/systemd/systemd")
BOOT_SECONDS = 300.0
"""On a busy machine: it takes 5 s on one at rest."""


def why_not() -> str:
    """Why none can be booted here; "" = it can."""
    if os.geteuid() != 0:
        return "namespaces with an init need root"
    needed = [SYSTEMD, Path("/usr/bin/dbus-daemon"), *map(Path, filter(None, [shutil.which("unshare")]))]
    lacks = [str(each) for each in needed if not each.exists()]
    return f"not installed here: {', '.join(lacks)}" if lacks else ""


class Machine:
    """One; what is written on it stays in `state` over its boots."""

    def __init__(self, state: Path, name: str) -> None:
        self.state = state
        self.name = name
        self._outer: subprocess.Popen[bytes] | None = None
        self._init = 0

    def boot(self) -> None:
        """Returns when its services have been started. Raises AssertionError with what its init wrote."""
        log = self.state / "boot.log"
        kinds = ["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--fork", "--kill-child"]
        with open(log, "ab") as said:
            self._outer = subprocess.Popen(
                ["unshare", *kinds, "sh", str(INIT), str(self.state), self.name], stdout=said, stderr=said
            )

        async def started() -> None:
            assert self._outer
            children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text().split()
            assert children, log.read_text(errors="replace")
            self._init = int(children[0])
            state = await asyncio.to_thread(self.run, "systemctl", "is-system-running", check=False)
            assert state.strip() in ("running", "degraded"), log.read_text(errors="replace")

        asyncio.run(eventually(started, BOOT_SECONDS))

    def cut(self) -> None:
        """As if somebody pulled the plug: every process is gone at once."""
        if self._outer is None:
            return
        if self._init:
            os.kill(self._init, signal.SIGKILL)  # the kernel ends all others of its namespace with it
        else:  # it has not come so far
            self._outer.kill()
        self._outer.wait(30)

    def run(self, *command: str, user: str = "", check: bool = True, **variables: str) -> str:
        """What it wrote; as root, or as a user without a login."""
        words = ["nsenter", "-t", str(self._init), "-m", "-u", "-i", "-n", "-p", "-C"]
        path = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", **variables}
        if user:
            uid = self.run("id", "-u", user).strip()
            home = {"HOME": f"/home/{user}", "USER": user, "XDG_RUNTIME_DIR": f"/run/user/{uid}"}
            words += ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
            path = {**path, **home}
        words += ["env", "-i", "-C", "/", *(f"{name}={value}" for name, value in path.items()), *command]
        done = subprocess.run(words, capture_output=True, text=True, timeout=300)
        assert not check or done.returncode == 0, (command, done.returncode, done.stdout[-2000:], done.stderr[-3000:])
        return done.stdout
