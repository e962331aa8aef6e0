"""Settings of the watcher."""

from __future__ import annotations

import os

import msgspec

from mnemostream.contracts import sources
from mnemostream.runtime.disk import projects
from mnemostream.runtime.process.home import home
from mnemostream.runtime.settings import Common


class Settings(Common, frozen=True, kw_only=True):
    """Environment: `MNEMO_WATCHER_<FIELD>`, and the common ones."""

    roots: tuple[str, ...] = ()
    """Folders with transcripts, `folder` or `source=folder`, separated by the path separator; empty = the default
    folders of all known assistants."""
    include: tuple[str, ...] = ()
    """Globs of the projects to capture, separated by the path separator; empty = all."""
    exclude: tuple[str, ...] = ()
    """Globs of the projects not to capture; takes precedence over `include`."""
    sweep_seconds: float = 15.0
    """Time between two scans of every file, seconds. Sweeps are authoritative; notifications are only hints."""
    settle_seconds: float = 2.0
    """How long a file must be unchanged before a last line without newline is published, seconds."""
    segment_bytes: int = 512 * 1024
    """Maximum transcript bytes in one segment."""
    attachment_bytes: int = 64 << 20
    """Size up to which a file beside a session (outputs of tools) is captured, bytes."""
    notify: bool = True
    """Wake up on file notifications; false = sweeps only (network mounts)."""

    rows_folder: str = ""
    """Folder of the row logs of databases; empty = databases are not captured."""
    imports_folder: str = ""
    """Folder of what `mnemo import` brings; empty = none."""
    canary_folder: str = ""
    """Folder of the health service's synthetic lines (docs/status.md); empty = none."""
    beat_file: str = ""
    """File that keeps the last heartbeat, for `mnemo status` on an edge; empty = none."""
    edge: str = ""
    """Name of this machine as an edge of a server elsewhere, which then is the host, too; empty = it is none."""

    @property
    def host_name(self) -> str:
        return self.edge or super().host_name

    def default_folders(self) -> frozenset[str]:
        """Resolved; one that is not there, or empty, is of an assistant that is not used here."""
        return frozenset(os.path.realpath(root.folder) for root in sources.defaults(os.environ, home()))

    def folders(self) -> list[sources.Root]:
        """The roots, or the default ones; resolved, and none inside another."""
        named = sources.completed(map(sources.parse, self.roots), os.environ, home())
        roots = named or sources.defaults(os.environ, home())
        if not named or sources.DEFAULTS in self.roots:
            roots += projects.roots(os.environ, home())
        if self.imports_folder:
            roots.append(sources.Root(self.imports_folder, ours=True))
        if self.canary_folder:
            roots.append(sources.Root(self.canary_folder, sources.CANARY))
        return sources.distinct(msgspec.structs.replace(r, folder=os.path.realpath(r.folder)) for r in roots)
