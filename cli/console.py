"""What the commands share: exit codes, options, consoles."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import asyncpg
import click
import msgspec
import nats.errors
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from archive import copies
from local import endpoints
from runtime.errors import Misconfigured, Transient

T = TypeVar("T")
LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, nats.errors.Error, TimeoutError)
"""A connection that breaks in the middle of a command."""

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


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs one command's work; a failure to look leaves with 3, and says what to do."""
    try:
        return asyncio.run(work)
    except (endpoints.NotRunning, copies.Unreachable, Transient, Misconfigured, *LOST) as error:
        err.print(f"result unknown: {error or type(error).__name__}", soft_wrap=True, markup=False)
        sys.exit(EX_UNKNOWN)


def print_json(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def bars() -> Progress:
    columns = (TextColumn("{task.description:<14}"), BarColumn(bar_width=28), TextColumn("{task.percentage:>5.1f}%"))
    return Progress(*columns, TimeRemainingColumn(), TextColumn("{task.fields[words]}"), console=err, transient=True)
