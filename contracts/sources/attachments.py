"""Files beside a session: outputs that were too large for the transcript, and what an assistant keeps there. Pure."""

from __future__ import annotations

import re
from itertools import pairwise

PACKED = ".zst"
"""Codex compresses a transcript that has rested for seven days, and deletes the plain file."""

_SESSION = r"(?:session-)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_OUTPUTS = re.compile(r"(?:.*/)?tool[-_](?:results|outputs?)/.*")
_BESIDE = re.compile(rf"(?:.*/)?{_SESSION}/.*")


def is_output(path: str) -> bool:
    """True for a file in a folder for outputs of tools: it is never a transcript."""
    return _OUTPUTS.fullmatch(path) is not None


def attached(path: str) -> bool:
    """True for a file beside a session: an output of a tool, or below a folder that is named after a session. Lines
    there are transcripts (of sub-agents, and event logs), no attachments.

    >>> attached("-home-x/0f9d2b1c-1111-4222-8333-444455556666/tool-results/t.txt"), attached("-home-x/notes.txt")
    (True, False)
    """
    return is_output(path) or (_BESIDE.fullmatch(path) is not None and not path.removesuffix(PACKED).endswith(".jsonl"))


def session_of(path: str) -> str:
    """The session that an attachment lies beside: the last folder that is named after one, else the one above the
    folder for outputs."""
    folders = path.split("/")[:-1]
    named = [folder for folder in folders if re.fullmatch(_SESSION, folder)]
    if named:
        return named[-1].removeprefix("session-")
    return next((above for above, folder in pairwise(folders) if folder.startswith("tool")), "")
