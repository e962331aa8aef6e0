"""The `mnemo` command: `python -m mnemostream` is the same."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point. Systems that it does not run on are told so, before anything is imported that they lack."""
    if sys.platform == "win32":
        sys.exit(
            "mnemo does not run on Windows itself; it does in WSL 2: https://learn.microsoft.com/windows/wsl/install"
        )
    from mnemostream.cli import app

    app.main()


if __name__ == "__main__":
    main()
