"""Docs name what the code has: settings, events, streams, rules, commands, decisions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mnemostream.cli.app import cli
from mnemostream.contracts import asyncapi, subjects, topology
from mnemostream.contracts.events import Event, Stage
from mnemostream.contracts.reasons import NEXT_STEPS, Reason
from mnemostream.runtime import provision
from mnemostream.runtime.settings import Common, variables
from mnemostream.services.embedder.settings import Settings as Embedder
from mnemostream.services.health.judge.rules.table import RULES
from mnemostream.services.health.settings import Settings as Health
from mnemostream.services.watcher.settings import Settings as Watcher
from mnemostream.services.writer import migrate
from tests.conftest import ROOT

SETTINGS = [
    (Common, None),
    (Watcher, Stage.WATCHER),
    (Embedder, Stage.EMBEDDER),
    (Health, Stage.HEALTH),
    (provision.Settings, None),
    (migrate.Settings, None),
]


def doc(name: str) -> str:
    return (ROOT / name).read_text()


@pytest.mark.parametrize(("kind", "owner"), SETTINGS)
def test_every_variable_is_documented_with_its_default(kind, owner) -> None:
    text = doc("docs/settings.md")
    for name, field in variables(kind, owner).items():
        row = re.search(rf"^\| `{name}` \| `(.*?)` \|", text, re.MULTILINE)
        assert row, name
        assert eval(row[1], {"__builtins__": {}}) == field.default, name


def test_every_variable_of_mnemo_itself_is_in_its_section() -> None:
    section = doc("docs/settings.md").partition("\n## `mnemo`\n")[2]
    said = set(re.findall(r"^\| `(MNEMO_LOCAL_\w+)` ", section, re.MULTILINE))
    folders = [ROOT / "src" / "mnemostream" / name for name in ("cli", "local", "archive", "runtime")]
    code = "".join(file.read_text() for folder in folders for file in folder.resolve().rglob("*.py"))
    assert said == set(re.findall(r"\bMNEMO_LOCAL_[A-Z]\w+", code))


def test_the_next_steps_are_those_of_the_code() -> None:
    said = dict(re.findall(r"^\| `([A-Z]\w+)` \| (.+) \|$", doc("docs/operations.md"), re.MULTILINE))
    assert said == {str(reason): step for reason, step in NEXT_STEPS.items()}
    assert set(Reason) - NEXT_STEPS.keys() == {Reason.STARTING, Reason.HEALTHY}


@pytest.mark.parametrize(("kind", "module"), [(provision.Settings, "runtime.provision"), (migrate.Settings, "migrate")])
def test_each_one_shot_has_all_of_its_own_variables_in_its_section(kind, module) -> None:
    section = re.search(rf"^## `python -m [\w.]*{module}`\n(.*?)(?=^## |\Z)", doc("docs/settings.md"), re.M | re.S)
    assert section
    own = variables(kind, None).keys() - variables(Common, None).keys()
    assert set(re.findall(r"^\| `(MNEMO_\w+)`", section[1], re.MULTILINE)) == own


def test_every_request_is_documented() -> None:
    text = doc("docs/architecture.md")
    for subject in (subjects.EMBED_QUERY, subjects.EMBED_AGAIN, subjects.RETRIES.replace("*", "").rstrip(".>")):
        assert f"`{subject}" in text, subject
    addresses = {address for address, _, _ in asyncapi.CHANNELS.values()}
    assert {subjects.EMBED_QUERY, subjects.EMBED_AGAIN} <= addresses


def test_every_message_is_documented_with_its_subject() -> None:
    told = re.findall(r"^\| `(\w+)` \| `(\S+)` \|$", doc("docs/architecture.md"), re.MULTILINE)
    subjects_ = [address.replace("{", "<").replace("}", ">") for address, _, _ in asyncapi.CHANNELS.values()]
    assert told == [(kind.__name__, at) for (_, kind, _), at in zip(asyncapi.CHANNELS.values(), subjects_, strict=True)]


def test_every_documented_variable_exists() -> None:
    known = {name for kind, owner in SETTINGS for name in variables(kind, owner)}
    named = set(re.findall(r"^\| `(MNEMO_\w+)`", doc("docs/settings.md"), re.MULTILINE))
    elsewhere = ("MNEMO_LOCAL_", "MNEMO_COMPOSE_")  # test_compose.py has those of compose
    assert {name for name in named if not name.startswith(elsewhere)} == known


def test_events_streams_and_rules_are_documented() -> None:
    text = doc("docs/architecture.md")
    for name in [kind.__name__ for kind in Event.__args__] + [stream.name for stream in topology.STREAMS]:
        assert name in text, name
    asked = [*(reason for reason, _ in RULES), Reason.HEALTHY, Reason.CANARY]
    assert re.findall(r"^\| `([A-Z]\w+)` ", doc("docs/status.md"), re.MULTILINE) == [str(reason) for reason in asked]


def test_messages_in_the_troubleshooting_table_are_those_that_the_programs_write() -> None:
    """`…` in the table stands for a value; what other programs say (`no space left on device`) comes last."""
    texts = "\n".join(file.read_text() for top in ("services", "local", "cli", "runtime") for file in _sources(top))
    table = doc("docs/operations.md").split("## Troubleshooting")[1].split("##")[0]
    quoted = re.findall(r"^\| (?:``(.+?)``|`([^`]+)`)", table, re.MULTILINE)
    assert len(quoted) > 8
    for message in ("".join(pair) for pair in quoted):
        pieces = [piece for piece in message.split("…") if piece.strip() and "no space left" not in piece]
        assert [piece for piece in pieces if piece.strip(" `") not in texts] == [], message


def _sources(top: str) -> list[Path]:
    return [file for file in (ROOT / top).rglob("*.py") if "__pycache__" not in str(file)]


def test_readme_names_every_command_and_only_targets_that_exist() -> None:
    text = doc("README.md")
    for name in cli.commands:
        assert f"mnemo {name}" in text, name
    targets = set(re.findall(r"^([a-z-]+):", doc("Makefile"), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z-]+)", text, re.MULTILINE)) <= targets


def test_every_decision_is_in_the_index() -> None:
    index = doc("docs/adr/README.md")
    for file in (ROOT / "docs/adr").glob("0*.md"):
        title = file.read_text().splitlines()[0].removeprefix("# ")
        assert f"[{title}]({file.name})" in index
