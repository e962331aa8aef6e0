"""What a person says inside a tool result: answers to questions, reasons for a rejection. Pure.

The structured field (`toolUseResult`) is the better witness; the sentences are those of versions 1.0 to 2.1.237.
"""

from __future__ import annotations

import re

from mnemostream.services.watcher.authorship.texts import Object, dict_of, joined, text_of

QUESTIONS = "AskUserQuestion"
"""The tool by which the assistant asks a person."""

ANSWERED = re.compile(
    r"\A\s*(?:User has answered your questions|Your questions have been answered|The user answered): (.*?)"
    r"(?:\. (?:You can now continue with|Read the answers carefully)[^\n]*)?\Z",
    re.DOTALL,
)
ANSWER_HEADS = ("User has answered", "Your questions", "The user answered")
FIELDS = ("answers", "annotations")
PAIRS = re.compile(r'"[^"]+"="')
SILENT = re.compile(
    r"\A\s*(?:No response after|<tool_use_error>|Error:|\[Request interrupted|The user (?:doesn't|wants))"
)
"""Results of a question that hold no words of a person."""

REASON = re.compile(
    r"(?:To tell you how to proceed, the user said|The user provided the following reason for the rejection|"
    r"the user (?:said|replied|commented|gave this (?:reason|feedback))|reason for the rejection|"
    r"(?:user|rejection) (?:feedback|comment|reason))\s*:[ \t]*\n?(.*)",
    re.DOTALL | re.IGNORECASE,
)
REJECTED = re.compile(
    r"\A\s*(?:Error: )?(?:(?:The )?user (?:doesn't want to|does not want to|rejected|declined|denied)"
    r"|Permission for this tool use was denied)",
    re.IGNORECASE,
)
NOTE = re.compile(r"\n\n(?:Note: The user's next message may contain|IMPORTANT: ).*\Z", re.DOTALL)
CLARIFIED = re.compile(r"^\s*(?:Answer|User notes|Notes): (.+)$", re.MULTILINE)
NOTES_ONLY = "(notes only)"
"""Stands in `answers` where a person chose no option and wrote notes."""
CLARIFY_HEAD = "The user wants to clarify these questions"


def rejection(line: Object, result: Object) -> str:
    """Words by which a person rejected a tool call; "" for none, and for the text of a rule or a hook."""
    if result.get("is_error") is not True or text_of(line.get("toolDenialKind")) not in ("", "user-rejected"):
        return ""
    text = joined(result.get("content"))
    if not REJECTED.match(text):
        return ""
    reason = REASON.search(text)
    said = NOTE.sub("", reason[1]).strip() if reason else ""
    return _clarified(said) if said.startswith(CLARIFY_HEAD) else said


def answers(line: Object, result: Object, *, asked: bool) -> tuple[str, str]:
    """Answers to questions as `"question"="answer"`, and an unknown witness ("" = none); `asked` = the call was one
    that asks a person. The line's `toolUseResult` is the first witness."""
    given = line.get("toolUseResult")
    if isinstance(given, dict) and not given.keys().isdisjoint(FIELDS) and (said := _structured(given)):
        return said, ""
    content = result.get("content")
    text = content if isinstance(content, str) else joined(content)
    if text.lstrip().startswith(ANSWER_HEADS) and (match := ANSWERED.match(text)):
        return match[1], ""
    if not asked or result.get("is_error") is True or SILENT.match(text) or not text.strip():
        return "", ""
    pairs = PAIRS.search(text)
    return text[pairs.start() :] if pairs else text.strip(), "answers=sentence"


def _structured(value: object) -> str:
    """Answers, notes and free words of `{answers: {question: answer}, annotations: {question: {notes}}, response}`."""
    given = dict_of(value)
    answered, notes = dict_of(given.get("answers")), dict_of(given.get("annotations"))
    said = []
    for question in dict.fromkeys([*answered, *notes]):
        answer, annotation = answered.get(question), notes.get(question)
        chosen = ", ".join(map(joined, answer)) if isinstance(answer, list) else joined(answer)
        if chosen == NOTES_ONLY or text_of(dict_of(annotation).get("unanswered")) in ("skipped", "dismissed"):
            chosen = ""
        note = joined(dict_of(annotation).get("notes") if isinstance(annotation, dict) else annotation)
        if chosen or note:
            said.append(f'"{question}"=' + (f'"{chosen}"' if chosen else "") + (f" notes: {note}" if note else ""))
    if said or not isinstance(given.get("answers"), dict):
        return ", ".join(said)
    return joined(given.get("response"))


def _clarified(text: str) -> str:
    """The answers and notes inside the sentence of a person who wants to clarify the questions."""
    return "\n".join(m[1].strip() for m in CLARIFIED.finditer(text) if m[1].strip() != "(No answer provided)")
