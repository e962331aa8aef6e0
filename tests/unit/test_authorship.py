"""Who wrote a record: by its own fields, then by the head of its text; what nobody knows is counted."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.families import of_claude, of_codex, of_copilot, of_qwen
from mnemostream.services.watcher.authorship.heads import HEADS, Author, head_of
from mnemostream.services.watcher.authorship.texts import blocks_of, joined
from mnemostream.services.watcher.authorship.wrappers import unwrapped, without_marks
from mnemostream.services.watcher.formats import FORMATS
from mnemostream.services.watcher.formats.base import Context
from tests.conftest import prompt

P, H, A, K = Author.PERSON, Author.HARNESS, Author.AGENT, Author.HOOK

CLAUDE: list[tuple[str, dict[str, Any], str, Author, str]] = [
    ("an old record says nothing", {}, "fix it", P, ""),
    ("typed", {"origin": {"kind": "human"}, "promptSource": "typed"}, "fix it", P, ""),
    (
        "origin comes before isMeta",
        {"origin": {"kind": "channel"}, "isMeta": True, "promptSource": "system"},
        "hi",
        P,
        "",
    ),
    ("a task", {"origin": {"kind": "task-notification"}, "promptSource": "sdk"}, "done", H, ""),
    ("another session", {"origin": {"kind": "peer", "from": "x"}}, "you may tag", A, ""),
    ("a continuation", {"origin": {"kind": "auto-continuation"}, "isMeta": True}, "Continue", H, ""),
    ("the turn's origin", {"turnOrigin": "scheduled"}, "good morning", H, ""),
    ("a source of the program", {"promptSource": "system"}, "wake up", H, ""),
    ("a record that is only for the model", {"isMeta": True}, "a skill's body", H, ""),
    ("a field that no words have", {"scheduledTaskId": "7"}, "run", H, ""),
    ("a head alone", {}, '<teammate-message teammate_id="lead">check</teammate-message>', A, ""),
    ("a head against the origin", {"origin": {"kind": "human"}}, "<ci-monitor-event>x", H, ""),
    ("a chat may quote a head", {"origin": {"kind": "channel"}}, "<teammate-message> is what I see", P, ""),
    ("a hook", {}, "Stop hook feedback:\nrun the tests", K, ""),
    ("an unknown origin", {"origin": {"kind": "hologram"}}, "hi", P, "origin.kind=hologram"),
    (
        "an unknown origin of the program",
        {"origin": {"kind": "hologram"}, "isMeta": True},
        "x",
        H,
        "origin.kind=hologram",
    ),
    ("an unknown source", {"promptSource": "thought"}, "hi", P, "promptSource=thought"),
    ("an origin of another shape", {"origin": ["human"]}, "hi", P, "origin.kind=list"),
]


@pytest.mark.parametrize(
    ("fields", "text", "author", "unknown"), [row[1:] for row in CLAUDE], ids=[r[0] for r in CLAUDE]
)
def test_claude_code_says_who_wrote_a_record(fields: dict[str, Any], text: str, author: Author, unknown: str) -> None:
    found = of_claude(fields, text)
    assert (found.author, found.unknown) == (author, unknown)
    assert found.why


def test_an_unknown_witness_is_counted_with_the_version_that_wrote_it() -> None:
    claude = FORMATS["claude-code"]
    line = prompt("hi", "p1", origin={"kind": "hologram"}, version="9.1.0")
    records, names = claude.records(line, 0, Context("s"), claude.state())
    assert [record.kind for record in records] == [Kind.PROMPT]
    assert names == ["user", "unknown:origin.kind=hologram@9.1.0"]


def test_codex_believes_the_screen_and_then_the_shape_of_the_text() -> None:
    assert of_codex("fix it", event=False).person
    assert of_codex("<b>bold</b>", event=True).person
    assert of_codex("<b>why is this bold?", event=False).person
    strange = of_codex("<new_context>x</new_context>", event=False)
    assert (strange.author, strange.unknown) == (H, "tag=new_context")
    assert of_codex('<codex_internal_context source="goal">go on</codex_internal_context>', event=True).author is H


@pytest.mark.parametrize(
    ("data", "author"),
    [
        ({"content": "hi"}, P),
        ({"content": "hi", "source": "user"}, P),
        ({"content": "Base", "source": "skill-changelog"}, H),
        ({"content": "<skill-context name='x'>"}, H),
        ({"content": "Go on", "isAutopilotContinuation": True}, H),
        ({"content": "do", "source": "agent-7"}, A),
    ],
)
def test_copilot_names_the_source(data: dict[str, Any], author: Author) -> None:
    assert of_copilot(data).author is author
    assert of_copilot({"content": "hi", "source": "hologram"}).unknown == "source=hologram"


def test_qwen_names_the_provenance() -> None:
    assert of_qwen({"provenance": "real_user"}, "x").person
    assert of_qwen({"subtype": "mid_turn_user_message"}, "x").person
    assert of_qwen({"subtype": "realtime_message"}, "x").person
    assert of_qwen({"provenance": "external_agent"}, "x").author is Author.AGENT
    strange = of_qwen({"subtype": "a new one"}, "x")
    assert not strange.person
    assert strange.unknown == "subtype=a_new_one"
    assert of_qwen({"provenance": "real_user", "subtype": "a new one"}, "x").person
    for machine in ({"provenance": "goal_control"}, {"subtype": "cron"}, {"agentId": "a"}):
        assert not of_qwen(machine, "x").person


def test_qwen_words_stand_without_what_hooks_and_the_program_put_beside_them() -> None:
    hook = "<qwen:user-prompt-submit-context>\nbranch: main\n</qwen:user-prompt-submit-context>"
    for text in (f"fix it\n{hook}", "\n[User message received during tool execution]: fix it"):
        assert unwrapped(text, "qwen").text == "fix it"


def test_every_head_says_where_it_was_seen_and_the_corpus_holds_those_that_it_is_said_to() -> None:
    assert all(head.seen and head.families for head in HEADS)
    assert len({(head.text, head.families) for head in HEADS}) == len(HEADS)
    corpus = os.environ.get("MNEMO_TEST_CORPUS")
    if not corpus:
        pytest.skip("without MNEMO_TEST_CORPUS")
    files = [file for file in Path(corpus).rglob("*.jsonl") if file.parts[len(Path(corpus).parts)] != "growth"]
    text = "\n".join(file.read_text(errors="replace") for file in files)
    assert [
        head.text for head in HEADS if "corpus" in head.seen and head.text.replace('"', '\\"')[:40] not in text
    ] == []


def test_a_person_may_write_about_a_head() -> None:
    assert head_of("what is a <task-notification>?", "claude-code") is None


WRAPPED = [
    ("claude-code", "<system-reminder>x</system-reminder>fix it", "fix it"),
    ("claude-code", "fix it<ide_selection>x</ide_selection>", "fix it"),
    ("claude-code", '<channel source="telegram" user="sam">\nis it through\n</channel>', "is it through"),
    ("codex", "# Context from my IDE setup:\n\n## Active file: a.py\n\n## My request for Codex:\nmove it\n", "move it"),
    ("codex", "# Files mentioned by the user:\n\n## a.png: /tmp/a.png\n\n## My request for Codex:\nlook", "look"),
    ("codex", "<environment_context>\n<cwd>/x</cwd>\n</environment_context>\n\nmove it", "move it"),
    ("codex", "move it\n<environment_context>x</environment_context>", "move it"),
    ("codex", '<image name=[Image #1] path="/c.png">\n</image>\n[Image #1]why', "why"),
    ("codex", "## My request for Codex: is a heading", "## My request for Codex: is a heading"),
    ("copilot", "<current_datetime>now</current_datetime>\n\nmove it", "move it"),
    ("gemini", "<session_context>x</session_context>move it", "move it"),
    ("pi", "<user_query>move it</user_query>", "move it"),
    ("pi", "a <timestamp>x</timestamp> b", "a <timestamp>x</timestamp> b"),
]


@pytest.mark.parametrize(("family", "text", "words"), WRAPPED)
def test_wrappers_stand_before_around_and_beside_the_words_and_are_kept(family: str, text: str, words: str) -> None:
    found = unwrapped(text, family)
    assert found.text == words
    if words != text:
        assert found.context
        assert set(re.findall(r"\w+", text)) == set(re.findall(r"\w+", found.text + " " + found.context))


def test_copies_of_a_prompt_are_compared_without_image_marks() -> None:
    assert without_marks("<image name=[Image #1]>\n</image>\n[Image #1]why  so") == without_marks("[Image #1]why so")


words = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\n"), min_size=1, max_size=12)


@st.composite
def shaped(draw: st.DrawFn, lines: list[str]) -> Any:
    """Some lines of text in some shape that content has been seen in."""
    if len(lines) == 1 and draw(st.booleans()):
        text = lines[0]
        return draw(
            st.sampled_from(
                [text, {"text": text}, {"type": "text", "text": text}, [text], {"parts": [{"text": text}]},
                 [{"type": "text", "text": text}, None], {"type": "text", "text": [{"text": text}]}]
            )
        )  # fmt: skip
    if draw(st.booleans()):
        return "\n".join(lines)
    cut = draw(st.integers(0, len(lines)))
    halves = [half for half in (lines[:cut], lines[cut:]) if half]
    inner = [draw(shaped(half)) if half != lines else "\n".join(half) for half in halves]
    return inner if draw(st.booleans()) else {"content": inner}


@given(st.data(), st.lists(words, min_size=1, max_size=5))
def test_text_of_any_shape_is_the_same_text(data: st.DataObject, lines: list[str]) -> None:
    assert joined(data.draw(shaped(lines))) == "\n".join(lines)


def test_nothing_is_no_text_and_a_deep_nest_does_not_fail() -> None:
    assert [joined(value) for value in (None, 3, [], {}, [None, 4], True)] == [""] * 6
    nest: Any = "x"
    for _ in range(500):
        nest = [nest]
    assert joined(nest) == ""
    assert blocks_of({"functionResponse": {}}) == [{"functionResponse": {}}]
