"""The one way to the terminal: what others wrote is shown, and steers nothing."""

from __future__ import annotations

import io
import json
import logging
import re
import time
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from mnemostream.cli.console import Lines, Terminal, json_text, local_time, plain, worded
from mnemostream.runtime.logs import JsonFormatter

HOSTILE = (
    "x\x1b]52;c;cm0gLXJm\x1b\\",  # writes the clipboard
    "x\x1b]0;title\x07",
    "x\x1b[2J\x9b2J\x9d0;t\x9c",
    "user\u202egnp.exe\u2066",
    "a\n✓ all equal",
    "a\r\u2028b\u2029\x85",
    "[/x] [bold]b[/] [link=http://evil.test]l[/link] :smile: \\",
    "/site/app/[slug]/page",
    "\u05d0\u05d1\u05d2 1 2 3",
    "\ud800\udc80",
)
ANY = st.one_of(st.sampled_from(HOSTILE), st.text(alphabet=st.characters(codec=None)), st.text())


def steers(text: str) -> list[str]:
    """Characters that a terminal obeys, but for line feeds."""
    bidi = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067"
    return [c for c in text if c in bidi or (unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") and c not in "\n\t")]


def printed(*what: object, width: int = 200) -> str:
    terminal = Terminal()
    terminal.file = io.StringIO()
    terminal.width = width
    for one in what:
        terminal.print(one, soft_wrap=not isinstance(one, Table))
    return terminal.file.getvalue()


@given(text=ANY)
def test_whatever_others_wrote_steers_nothing_and_stands_in_one_line(text: str) -> None:
    shown = plain(text)
    assert steers(shown) == []
    assert "\n" not in shown
    assert steers(plain(Lines(text))) == []
    assert shown.count("\u2068") == shown.count("\u2069")  # an isolate ends where it began


@given(text=ANY, template=st.sampled_from(["{}", "[red]{}[/]", "[bold]a {} b[/]", "  {}: [dim]x[/]"]))
def test_a_value_is_shown_as_it_is_inside_of_our_own_words(text: str, template: str) -> None:
    frame = re.sub(r"\[/?\w*\]", "", template)
    assert worded(template, text).plain == frame.replace("{}", plain(text))


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_and_cells_of_tables_are_no_markup(text: str) -> None:
    table = Table(box=None)
    table.add_column("name")
    table.add_row(text)
    for found in (printed(text), printed(table), printed(worded("{}", text))):
        assert steers(found) == []
        for part in ("[/x]", "[slug]", "[bold]", ":smile:"):
            assert (part in found) == (part in text)


@given(value=st.recursive(st.text(st.characters(exclude_categories=("Cs",))), lambda inner: st.lists(inner)))
def test_json_is_the_same_value_and_steers_nothing(value: object) -> None:
    text = json_text({"found": value})
    assert json.loads(text) == {"found": value}
    assert steers(text) == []


def test_times_for_people_say_their_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert local_time(datetime(2026, 8, 1, 12, tzinfo=UTC)) == "2026-08-01 08:00 -0400"
        assert local_time(None) == "?"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_times_in_logs_are_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        record = logging.makeLogRecord({"created": 0.25, "msg": "x", "levelname": "INFO", "name": "n"})
        assert json.loads(JsonFormatter().format(record))["time"] == "1970-01-01T00:00:00.250Z"
    finally:
        monkeypatch.undo()
        time.tzset()
