"""Puts examples and exit codes at the end of each command's help."""

from __future__ import annotations

from collections.abc import Iterator

import click

from mnemostream.cli.manual.examples import EXAMPLES

CODES = "Exit codes: docs/operations.md, or `mnemo --help`."
ALL_CODES = (
    "\b\nExit codes:\n"
    "  0    healthy, true, found\n"
    "  1    degraded, false, nothing found, dead letters left\n"
    "  2    unhealthy, cannot start, cannot do it\n"
    "  3    unknown: nothing runs, or it does not answer\n"
    "  4    saved, not embedded (up --once)\n"
    "  5    saved, with dead letters (up --once)\n"
    "  64   incorrect usage\n"
    "  130  Ctrl-C at a question\n"
)


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command below a group that does something, by its words."""
    for name, command in group.commands.items():
        words = (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, words)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield " ".join(words), command


def told(group: click.Group) -> None:
    """The epilogue of each command, and of the whole."""
    group.epilog = ALL_CODES
    for words, command in commands(group):
        lines = "".join(f"  mnemo {line}\n" for line in EXAMPLES[words])
        command.epilog = f"\b\nExamples:\n{lines}\n{CODES}"
