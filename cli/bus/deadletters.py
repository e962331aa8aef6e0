"""`mnemo deadletters`: list, show, retry and drop dead letters, by number, stage or reason, or all of them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import click
import nats.errors
from nats.js.errors import APIError

from mnemostream.cli.api import CannotTell, running_at
from mnemostream.cli.bus.dead_letter_requests import (
    PAGE,
    Asked,
    Listed,
    ask_all,
    dead_letter,
    listed,
    original,
    settled,
)
from mnemostream.cli.console import (
    EX_FALSE,
    EX_UNKNOWN,
    Lines,
    data_option,
    err,
    json_option,
    out,
    print_json,
    reveal_option,
    worded,
)
from mnemostream.contracts.http.archive import DeadLetterItem
from mnemostream.contracts.reasons import counted
from mnemostream.local import endpoints
from mnemostream.local.endpoints import Endpoints
from mnemostream.runtime.errors import MnemoError

stage_option = click.option("--stage", type=click.Choice(["watcher", "embedder", "writer"]), help="Only this stage.")
reason_option = click.option("--reason", default="", metavar="TEXT", help="Only letters whose error contains TEXT.")


@click.group("deadletters", invoke_without_command=True, short_help="List, retry or drop dead letters.")
@click.pass_context
def deadletters(context: click.Context) -> None:
    """List, show, retry or drop dead letters; without a command, list them."""
    if context.invoked_subcommand is None:
        context.invoke(list_command)


@deadletters.command("list")
@stage_option
@reason_option
@click.option("--limit", "-n", default=20, show_default=True, type=click.IntRange(1, 200), help="Maximum to list.")
@data_option
@json_option
def list_command(stage: str | None, reason: str, limit: int, data: str | None, as_json: bool) -> None:
    """List dead letters, newest first. Exit code 0 if there are none, 1 otherwise."""
    try:
        listing = listed(_running(data), stage, reason)
    except CannotTell as error:
        _cannot_tell(error, as_json)
    _show(listing, limit, as_json)


@deadletters.command("show")
@click.argument("number", type=int)
@click.option("--payload", is_flag=True, help="Write the complete original message from the log to stdout.")
@reveal_option
@data_option
@json_option
def show_command(number: int, payload: bool, data: str | None, as_json: bool) -> None:
    """Show one dead letter: its error, its traceback and the start of the message."""
    try:
        where = _running(data)
        letter = dead_letter(where, number)
    except CannotTell as error:
        _cannot_tell(error, as_json)
    if payload:
        try:
            content = asyncio.run(original(where, letter))
            if sys.stdout.isatty():
                out.print(worded("{}", Lines(content.decode("utf-8", "replace"))), soft_wrap=True)
            else:
                sys.stdout.buffer.write(content)
        except (MnemoError, nats.errors.Error, APIError, TimeoutError) as error:
            _cannot_tell(
                CannotTell(f"cannot read {letter.stream} {letter.stream_sequence} from the log: {error}"), as_json
            )
    elif as_json:
        print_json(letter)
    else:
        _head(letter)
        where_it_is = f"        log: {letter.stream} {letter.stream_sequence}, {letter.size:,} bytes"
        for text in (where_it_is, letter.traceback, letter.text or "(the message is only in the log; use --payload)"):
            if text:
                out.print(worded("{}", Lines(text)), soft_wrap=True)


def _choosing(command: Callable[..., None]) -> Callable[..., None]:
    """Which letters: numbers, or a filter, or all."""
    command = click.option("--all", "everything", is_flag=True, help="All dead letters.")(command)
    return click.argument("numbers", nargs=-1, type=int)(stage_option(reason_option(command)))


@deadletters.command("retry")
@_choosing
@data_option
@json_option
def retry_command(
    numbers: tuple[int, ...], stage: str | None, reason: str, everything: bool, data: str | None, as_json: bool
) -> None:
    """Retry dead letters once their cause is fixed. The original is read from the log.

    NUMBERS are those that `list` shows; or choose by --stage, --reason or --all.
    Exit code 0 if no dead letters remain, 1 otherwise.
    """
    _request(Asked("retry"), numbers, (stage, reason, everything), data, as_json)


@deadletters.command("drop")
@click.option("--why", default="", help="Why, for the record: event DeadLetterDropped in the stream HEALTH.")
@_choosing
@data_option
@json_option
def drop_command(why: str, as_json: bool, **chosen: Any) -> None:
    """Permanently delete dead letters. Their original messages stay in the log.

    NUMBERS are those that `list` shows; or choose by --stage, --reason or --all.
    """
    numbers, data = chosen["numbers"], chosen["data"]
    filters = (chosen["stage"], chosen["reason"], chosen["everything"])
    _request(Asked("drop", why), numbers, filters, data, as_json)


def _request(
    what: Asked, numbers: tuple[int, ...], chosen: tuple[str | None, str, bool], data: str | None, as_json: bool
) -> None:
    stage, reason, everything = chosen
    if not numbers and not everything and not stage and not reason:
        raise click.UsageError("specify NUMBERS, --stage, --reason or --all")
    try:
        where = _running(data)
        chosen_ = [] if numbers else [letter.sequence for letter in listed(where, stage, reason).deadletters]
        asked = list(numbers) or chosen_
        taken = asyncio.run(ask_all(where, what, asked))
        if numbers and not taken:
            sys.exit(EX_UNKNOWN)
        listing = settled(lambda: listed(where, None, ""), what, taken) if taken else listed(where, None, "")
    except CannotTell as error:
        _cannot_tell(error, as_json)
    _show(listing, PAGE, as_json)


def _running(data: str | None) -> Endpoints:
    return running_at(endpoints.data_folder(data))


def _cannot_tell(error: CannotTell, as_json: bool) -> NoReturn:
    if as_json:
        print_json({"error": str(error)})
    err.print(worded("result unknown: {}", error), soft_wrap=True)
    sys.exit(EX_UNKNOWN)


def _show(listing: Listed, limit: int, as_json: bool) -> NoReturn:
    listing.deadletters = listing.deadletters[:limit]
    if as_json:
        print_json(listing)
    else:
        for letter in listing.deadletters:
            _head(letter)
        if listing.kept:
            words = "{}; run `mnemo deadletters retry N`, `show N` or `drop N`"
            err.print(worded(words, counted(listing.kept, "dead letter")), soft_wrap=True)
        else:
            err.print("no dead letters")
    sys.exit(EX_FALSE if listing.kept else 0)


def _head(letter: DeadLetterItem) -> None:
    head = f"{letter.sequence:>6}  {letter.at}  {letter.stage}  {letter.subject}"
    lines = [head, f"        {letter.error.splitlines()[0] if letter.error else '(no error)'}"]
    if letter.retry:
        lines.append(f"        last outcome: {letter.retry}")
    for line in lines:
        out.print(worded("{}", line), soft_wrap=True)


COMMANDS = (deadletters,)
