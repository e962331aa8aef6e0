"""Container health check: is the service's event loop turning?

    python -m mnemostream.runtime.process.alive

Where `MNEMO_ALIVE_FILE` is set, a service touches that file from its event loop. When it is old, the service
is hung: its process is killed, since an engine never restarts a container for being unhealthy, and
`restart: unless-stopped` then does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from mnemostream.runtime.clock import SystemClock

STALE_SECONDS = 60.0
SIGN_SECONDS = 2.0


async def touch_alive_file(sign: Path) -> None:
    """Touches the file for as long as the event loop turns; its content is the process id. A full disk is no reason to
    be taken for dead: the content is written once, and touched from then on."""
    written = False
    while True:
        with suppress(OSError):
            if not written:
                sign.write_text(str(os.getpid()))  # noqa: ASYNC240 - a few bytes
                written = True
            os.utime(sign)
        await asyncio.sleep(SIGN_SECONDS)


def main() -> int:
    """Exit code for the engine: 0 alive, 1 not (yet, or not any more)."""
    sign = Path(os.environ.get("MNEMO_ALIVE_FILE", "/nowhere"))
    try:
        age = SystemClock().now() - sign.stat().st_mtime
        pid = int(sign.read_text())
    except (OSError, ValueError):
        return 1
    if age <= STALE_SECONDS:
        return 0
    sys.stderr.write(f"no sign of life for {age:.0f} s; killing process {pid}\n")
    os.kill(pid, signal.SIGKILL)
    return 1


if __name__ == "__main__":
    sys.exit(main())
