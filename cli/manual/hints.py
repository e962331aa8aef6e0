"""Commands in our own words as they work here."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
from rich.text import Text

from mnemostream.local import endpoints
from mnemostream.runtime.errors import Misconfigured
from mnemostream.runtime.process.command import program

FOLDER = "mnemo.data"
"""Where the context of click keeps what `--data` says."""
COMMAND = re.compile(r"`mnemo( [a-z][^`]*)`")
WITHOUT_DATA = ("model", "completion")
"""Commands that have no data folder."""


def hinted(text: Text) -> Text:
    """With the path of `mnemo` where it is not on the PATH, and with the `--data` that was given."""
    chosen = _chosen_folder()
    for found in reversed(list(COMMAND.finditer(text.plain))):
        words = found[1] if not chosen or found[1].split()[0] in WITHOUT_DATA else f"{found[1]} --data {chosen}"
        text = text[: found.start()] + Text(f"`{program()}{words}`") + text[found.end() :]
    return text


def _chosen_folder() -> str:
    """What `--data` says, for a shell; "" if it was not given, or says what is so anyway."""
    context = click.get_current_context(silent=True)
    chosen = context.meta.get(FOLDER, "") if context else ""
    try:
        return shlex.quote(chosen) if chosen and Path(chosen) != endpoints.data_folder(None) else ""
    except Misconfigured:  # there is no default
        return shlex.quote(chosen)


def kept(context: click.Context, _: click.Parameter, value: str | None) -> str | None:
    """Callback of `--data`."""
    context.meta[FOLDER] = value or ""
    return value
