"""Which projects are captured: include and exclude globs. Pure.

A glob is compared with the project's folder (`cwd` in the transcript), with the folder name that Claude Code
makes of it, with Gemini's hash of it, and with the transcript's path below its root.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

CWD = re.compile(rb'"(?:cwd|directory)"\s*:\s*"((?:[^"\\]|\\.)*)"')
HASH = re.compile(rb'"projectHash"\s*:\s*"([0-9a-f]{16,64})"')


def admitted(path: str, head: bytes, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """True if a transcript is to be captured; `head` are its first bytes.

    >>> admitted("-home-dana-secret/1.jsonl", b"", [], ["/home/dana/secret"])
    False
    """
    if not include and not exclude:
        return True
    folders = {folder for value in CWD.findall(head) if (folder := _unescaped(value))}
    hashes = {value.decode() for value in HASH.findall(head)}
    if any(_matches(glob, path, folders, hashes) for glob in exclude):
        return False
    return not include or any(_matches(glob, path, folders, hashes) for glob in include)


def _matches(glob: str, path: str, folders: set[str], hashes: set[str]) -> bool:
    glob = glob.rstrip("/")
    if fnmatchcase(path, glob) or any(fnmatchcase(f, glob) or fnmatchcase(f, f"{glob}/*") for f in folders):
        return True
    if hashlib.sha256(glob.encode()).hexdigest() in hashes:
        return True
    encoded = re.sub(r"[^A-Za-z0-9*?\[\]]", "-", glob)
    first = path.split("/", 1)[0]
    return "/" in glob and (fnmatchcase(first, encoded) or fnmatchcase(first, f"{encoded}-*"))


def _unescaped(value: bytes) -> str:
    try:
        return str(json.loads(b'"' + value + b'"'))
    except ValueError:
        return ""
