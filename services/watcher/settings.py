"""Settings of the watcher."""

from __future__ import annotations

import os
from pathlib import Path

from runtime.settings import Common


class Settings(Common, frozen=True, kw_only=True):
    """Environment: `MNEMO_WATCHER_<FIELD>`, and the common ones."""

    roots: tuple[str, ...] = ()
    """Folders with transcripts, separated by the path separator; empty = Claude Code's own folder."""
    sweep_seconds: float = 15.0
    """Time between two looks at every file, seconds: the truth behind all notifications."""
    settle_seconds: float = 2.0
    """A last line without newline is shipped when the file has rested so long, seconds."""
    segment_bytes: int = 512 * 1024
    """Most transcript bytes in one segment."""
    notify: bool = True
    """Wake up by file notification; false = sweeps only (network mounts)."""

    def folders(self) -> list[Path]:
        """The roots, or the default one."""
        return [Path(root).expanduser() for root in self.roots] or [default_root()]


def default_root() -> Path:
    """`$CLAUDE_CONFIG_DIR/projects`, else `~/.claude/projects`."""
    base = os.environ.get("CLAUDE_CONFIG_DIR")
    return (Path(base) if base else Path.home() / ".claude") / "projects"
