"""What the commands share: exit codes, options, consoles."""

from __future__ import annotations

import re

import click
from rich.console import Console

EX_FALSE, EX_UNHEALTHY, EX_UNKNOWN, EX_NOT_EMBEDDED, EX_USAGE = 1, 2, 3, 4, 64

err = Console(stderr=True, highlight=False)
out = Console(highlight=False)


def plain(text: object) -> str:
    """A text of others without the characters that steer a terminal.

    >>> plain("a\\x1b[2Jb")
    'a\ufffd[2Jb'
    """
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "\ufffd", str(text))


data_option = click.option("--data", help="Data folder; default: MNEMO_LOCAL_DATA, else the user data folder.")
json_option = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
