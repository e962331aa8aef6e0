"""How a session is resumed, and how a person says a time."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime, timedelta

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemostream.archive.sessions import command, shell
from mnemostream.cli.find.sessions import When


@given(st.text(st.characters(exclude_characters="\0"), min_size=1), st.text(st.characters(exclude_characters="\0")))
def test_a_shell_reads_the_folder_and_the_id_as_they_are(session: str, folder: str) -> None:
    words = shlex.split(shell(command("claude-code", session), folder))
    assert words == [*(["cd", folder, "&&"] if folder else []), "claude", "--resume", session]


def test_what_has_no_command_has_none() -> None:
    assert command("aider", "x") == []
    assert command("nobody", "x") == []
    assert command("goose", "x") == ["goose", "session", "--resume", "--session-id", "x"]


def test_times_of_people() -> None:
    when = When()
    ago = when.convert("1d", None, None) - when.convert("3d", None, None)
    assert abs(ago - timedelta(days=2)) < timedelta(seconds=9)
    assert when.convert("2026-01-31", None, None).astimezone().date().isoformat() == "2026-01-31"
    assert when.convert("2026-01-31T10:00:00+00:00", None, None) == datetime(2026, 1, 31, 10, tzinfo=UTC)
    with pytest.raises(click.BadParameter, match="no time"):
        when.convert("soon", None, None)
