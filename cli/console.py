"""What the commands share: exit codes, options, and the one way to the terminal.

What others wrote (prompts, names of files, errors) steers nothing: it passes `plain`. `out.print` takes constant words,
and `worded` texts for everything else; tests/contract/test_house.py finds others.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import string
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import click
import msgspec
import nats.errors
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Span, Text

from mnemostream.archive import copies
from mnemostream.cli.manual import hints
from mnemostream.contracts import sources
from mnemostream.local import endpoints
from mnemostream.runtime.errors import Misconfigured, Transient
from mnemostream.runtime.secrets.mask import masked, masked_value
from mnemostream.runtime.secrets.scan import Scanner, scanner

T = TypeVar("T")
LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, nats.errors.Error, TimeoutError)
"""A connection that breaks in the middle of a command."""

REVEAL = "mnemo.reveal"
EX_FALSE, EX_UNHEALTHY, EX_UNKNOWN, EX_NOT_EMBEDDED, EX_DEAD_LETTERS, EX_USAGE = 1, 2, 3, 4, 5, 64

CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""C0 without tab and line feed, DEL, C1 (ECMA-48), the two separators that some terminals take for a line feed, and
surrogates, which no terminal takes."""
STEERING = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What orders text by direction (Unicode Standard Annex 9); none of it is content."""
RIGHT_TO_LEFT = re.compile(r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")
ISOLATE, POP = "\u2068", "\u2069"
UNSEEN = re.compile(f"{CONTROLS.pattern[:-1]}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def reveals() -> bool:
    """True if the person asked to see secrets (`--reveal`)."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(REVEAL))


def own_scanner() -> Scanner:
    try:
        return scanner(os.environ.get("MNEMO_SECRET_RULES", ""))
    except Misconfigured as error:
        raise click.UsageError(str(error)) from error


class Lines(str):
    """A text of others that may have several lines: a traceback."""


def plain(text: object) -> str:
    """A text of others without what steers a terminal; a line feed is a blank unless it is `Lines`. Secrets are masked.
    What is written from right to left is isolated, so that it orders nothing around it.

    >>> plain("a\\x1b[2Jb\\nc")
    'a\ufffd[2Jb c'
    """
    words = text if isinstance(text, Lines) else str(text).replace("\n", " ")
    words = words if reveals() else masked(words, own_scanner())
    words = STEERING.sub("\ufffd", CONTROLS.sub("\ufffd", words))
    return f"{ISOLATE}{words}{POP}" if RIGHT_TO_LEFT.search(words) else words


def shortened(text: str, most: int = 160) -> str:
    """One line of a text of others, masked before it is cut: half of a secret looks like none."""
    line = " ".join(plain(Lines(text)).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def local_time(at: datetime | None, unknown: str = "?") -> str:
    """A moment for people: the time of this machine, with its offset from UTC."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M %z") if at else unknown


PLACE = "\ue000"
"""One character in the place of a value while our own words are read: the value never passes the markup's parser."""


class _Places(string.Formatter):
    """Puts PLACE where a value belongs, and keeps the values."""

    def __init__(self) -> None:
        self.values: list[str] = []

    def format_field(self, value: Any, format_spec: str) -> str:
        self.values.append(plain(value if isinstance(value, Lines) else format(value, format_spec)))
        return PLACE


def worded(template: str, *values: object, **named: object) -> Text:
    """Our own words with markup, and values in the places of `str.format`, which are shown as they are.

    >>> worded("[red]{}[/] of {:,}", "[b]", 1000).plain
    '[b] of 1,000'
    """
    places = _Places()
    frame = Text.from_markup(places.vformat(template, values, named), emoji=False)
    longer = [0]  # by how much everything before a character has grown
    found = iter(places.values)
    for character in frame.plain:
        longer.append(longer[-1] + (len(next(found)) - 1 if character == PLACE else 0))
    found = iter(places.values)
    words = "".join(next(found) if character == PLACE else character for character in frame.plain)
    spans = [Span(span.start + longer[span.start], span.end + longer[span.end], span.style) for span in frame.spans]
    return Text(words, spans=spans)


NOT_A_TERMINAL = 400
"""Columns of a table that a program reads: it is not folded."""


class Terminal(Console):
    """A console for which a text is a text: no markup, no emoji codes, no controls, also in the cells of a table. Where
    it is none, no line is folded. What goes to standard error is our own words (`hints.hinted`)."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)
        if not self.is_terminal:
            self.soft_wrap = True
            columns = os.environ.get("COLUMNS", "")
            self.width = int(columns) if columns.isdigit() else NOT_A_TERMINAL

    def print(self, *objects: Any, **more: Any) -> None:
        if self.stderr:
            texts = (self.render_str(each) if isinstance(each, str) else each for each in objects)
            objects = tuple(hints.hinted(each) if isinstance(each, Text) else each for each in texts)
        super().print(*objects, **more)

    def render_str(self, text: str, **more: Any) -> Text:
        return super().render_str(plain(Lines(text)), **{**more, "markup": False, "emoji": False})


def json_text(value: Any, *, secret: bool = False) -> str:
    """A value as JSON in which what would steer a terminal is escaped, and secrets are masked: else the same value for
    a program."""
    shown = msgspec.to_builtins(value)
    shown = shown if secret or reveals() else masked_value(shown, own_scanner())
    try:
        text = msgspec.json.format(msgspec.json.encode(shown), indent=2).decode()
    except UnicodeEncodeError:  # a path that is no UTF-8: its bytes as escapes, as `os.fsdecode` has them
        text = json.dumps(shown, indent=2)
    return UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


err = Terminal(stderr=True)
out = Terminal()


data_option = click.option(
    "--data", callback=hints.kept, help="Data folder; default: MNEMO_LOCAL_DATA, else the user data folder."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")


def _reveal(context: click.Context, _: click.Parameter, value: bool) -> None:
    context.meta[REVEAL] = value


reveal_option = click.option(
    "--reveal", is_flag=True, expose_value=False, callback=_reveal, help="Show secrets instead of masking them."
)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs one command's work; a failure to look leaves with 3, and says what to do."""
    try:
        return asyncio.run(work)
    except copies.NotFound as error:
        failed("not found", error)
        sys.exit(EX_FALSE)
    except (endpoints.NotRunning, copies.Unreachable, Transient, Misconfigured, *LOST) as error:
        failed("result unknown", error)
        sys.exit(EX_UNKNOWN)


def failed(what: str, error: object) -> None:
    """To people, and to a program that asked for JSON."""
    context = click.get_current_context(silent=True)
    if context and "json" in (context.params.get("form"), "json" if context.params.get("as_json") else ""):
        print_json({"error": str(error) or type(error).__name__})
    err.print(worded("[red]{}:[/] {}", what, Lines(error) if str(error) else type(error).__name__))


def existing(folders: Sequence[str]) -> list[sources.Root]:
    """The values of `--source`, with whole paths. Raises click.UsageError for a folder that is not there."""
    roots = [sources.parse(text) for text in folders]
    for root in roots:
        if root.folder != sources.DEFAULTS and not Path(root.folder).is_dir():
            raise click.UsageError(f"--source {root}: no such folder")
    return [
        root
        if root.folder == sources.DEFAULTS
        else msgspec.structs.replace(root, folder=str(Path(root.folder).resolve()))
        for root in roots
    ]


def print_json(value: Any, *, secret: bool = False) -> None:
    """For programs: valid JSON of the same value, whatever stands in it. `secret` = what is asked for is one."""
    click.echo(json_text(value, secret=secret))


@contextmanager
def steps(first: str) -> Iterator[Callable[[str, int, int], None]]:
    """A bar, moved by what is called with step, done and total."""
    with bars() as shown:
        task = shown.add_task(first, total=1, words="")

        def show(step: str, done: int, total: int) -> None:
            shown.update(task, description=step, completed=done, total=max(1, total))

        yield show


def bars() -> Progress:
    columns = (
        TextColumn("{task.description:<14}", markup=False),
        BarColumn(bar_width=28),
        TextColumn("{task.percentage:>5.1f}%"),
    )
    return Progress(
        *columns, TimeRemainingColumn(), TextColumn("{task.fields[words]}", markup=False), console=err, transient=True
    )
