"""The help of every command: examples that can be typed, and JSON for programs."""

from __future__ import annotations

import shlex

import click
import pytest

from mnemostream.cli.app import cli
from mnemostream.cli.manual.epilogue import commands
from mnemostream.cli.manual.examples import EXAMPLES

COMMANDS = dict(commands(cli))
NO_JSON = {"mcp", "completion", "deadletters"}
"""One speaks a protocol, one prints a script, one is `deadletters list`."""


def test_every_command_has_examples_and_no_other_has() -> None:
    assert COMMANDS.keys() == EXAMPLES.keys()


@pytest.mark.parametrize("line", [line for lines in EXAMPLES.values() for line in lines])
def test_an_example_is_what_the_command_takes(line: str) -> None:
    words = shlex.split(line.split(" && ")[0].split(" > ")[0])
    context = click.Context(cli)
    command: click.Command = cli
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    for parameter in command.params:
        if isinstance(parameter.type, click.Path):
            parameter.type.exists = False  # the files of the examples are not here
    command.make_context("mnemo", words, parent=context).close()


@pytest.mark.parametrize("words", sorted(COMMANDS.keys() - NO_JSON))
def test_every_command_speaks_json(words: str) -> None:
    assert any("--json" in parameter.opts for parameter in COMMANDS[words].params)


def test_help_ends_with_examples() -> None:
    told = COMMANDS["verify"].get_help(click.Context(COMMANDS["verify"], info_name="mnemo verify"))
    assert "Examples:\n    mnemo verify\n" in told
    assert "docs/operations.md" in told
