"""What a start watches where nobody says it."""

from __future__ import annotations

import os
from pathlib import Path

import mnemostream
from mnemostream.cli.console import err, worded
from mnemostream.contracts import sources
from mnemostream.local.service import notify
from mnemostream.runtime.disk.files import walk
from mnemostream.runtime.process.home import home

EXAMPLES = (Path(mnemostream.__path__[0]) / "examples" / "projects").resolve()


def unsaid() -> list[sources.Root]:
    """None, which means the default folders of all assistants, if one holds a transcript; else the examples and these
    folders: the first session may begin in a minute. A service needs no examples."""
    defaults = sources.defaults(os.environ, home())
    if notify.is_service() or any(next(walk(root.folder, root.leaves, []), None) for root in defaults):
        return []
    err.print(worded("no assistant transcripts found yet; with the bundled examples ({})", EXAMPLES), soft_wrap=True)
    return [sources.Root(str(EXAMPLES)), sources.Root(sources.DEFAULTS)]
