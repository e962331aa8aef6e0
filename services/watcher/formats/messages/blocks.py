"""One block of content to items: text, thinking, a call of a tool, its result. Pure.

The shapes are those of Anthropic's and OpenAI's interfaces, of the Vercel AI SDK, and of Rust's tagged enums
(`{"Text": "…"}`): https://docs.claude.com/en/api/messages, https://platform.openai.com/docs/api-reference/responses,
https://ai-sdk.dev/docs/reference/ai-sdk-core/model-message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.families import of_text
from mnemostream.services.watcher.authorship.texts import (
    Object,
    arguments_of,
    blocks_of,
    dict_of,
    list_of,
    output_of,
    text_of,
)
from mnemostream.services.watcher.authorship.wrappers import unwrapped
from mnemostream.services.watcher.formats.base import Item

TEXTS = frozenset({"", "text", "inputtext", "outputtext", "markdown", "markdowncontent", "message", "agenttext"})
THOUGHTS = frozenset({"thinking", "reasoning", "think", "thought", "redactedthinking", "summarytext", "thoughttext"})
CALLS = frozenset(
    {"tooluse", "toolcall", "toolrequest", "functioncall", "customtoolcall", "servertooluse", "mcptoolcall", "tooluses"}
)
RESULTS = frozenset(
    {
        "toolresult",
        "toolresponse",
        "functioncalloutput",
        "functioncallresult",
        "customtoolcalloutput",
        "toolresults",
        "websearchtoolresult",
    }
)
QUIET = frozenset(
    {
        "attachment",
        "audio",
        "binary",
        "document",
        "file",
        "finish",
        "image",
        "imageurl",
        "inputimage",
        "mention",
        "patch",
        "provider",
        "resource",
        "snapshot",
        "source",
        "sourceurl",
        "stepfinish",
        "stepstart",
        "video",
    }
)
"""Blocks without words: archived with the line, no records."""
NAMES = ("name", "toolName", "tool_name", "tool", "title")
INPUTS = ("input", "arguments", "args", "rawArgs", "params", "parameters", "rawInput", "action")
OUTPUTS = ("content", "output", "result", "toolResult", "value", "text", "data")
IDS = ("tool_use_id", "toolCallId", "tool_call_id", "toolUseId", "callId", "call_id", "id")
_WORDS = re.compile(r"[^a-z]")


class Said(msgspec.Struct):
    """What is read off one message: items in their order, and blocks that nobody knows."""

    family: str
    subagent: bool = False
    items: list[Item] = []
    unknown: list[str] = []

    def add(self, kind: Kind, text: str = "", tool: str = "", tool_input: str = "") -> None:
        """One item, if it says anything."""
        if text or tool or tool_input or kind is Kind.TOOL_RESULT:
            self.items.append(Item(kind, text, tool, tool_input, len(self.items)))

    def answer(self, text: str) -> None:
        """Words of the assistant."""
        self.add(Kind.SUBAGENT_ANSWER if self.subagent else Kind.ANSWER, text)

    def thought(self, text: str) -> None:
        """What it thought."""
        self.add(Kind.THINKING, text)

    def call(self, name: object, value: object) -> None:
        """A call of a tool."""
        what = Kind.SUBAGENT_CALL if self.subagent else Kind.TOOL_CALL
        told = arguments_of(value) if value not in (None, "") else ""
        self.add(what, "", text_of(name) or "tool", told)

    def result(self, value: object, call: str = "") -> None:
        """What a tool gave."""
        self.add(Kind.TOOL_RESULT, output_of(value), call)

    def prompt(self, text: str, *, injected: bool = False) -> None:
        """Words in the user's role: of a person, unless a program put them there."""
        words = unwrapped(text, self.family)
        if injected or (words.text and not of_text(words.text, self.family).person):
            self.add(Kind.INJECTED, text.strip())
            return
        if words.text:
            self.add(Kind.SUBAGENT_PROMPT if self.subagent else Kind.PROMPT, words.text)
        self.add(Kind.INJECTED, words.context)

    def assistant(self, content: object) -> None:
        """Every block of an assistant's content."""
        for block in blocks_of(content):
            self.block(block)

    def user(self, content: object, *, injected: bool = False) -> None:
        """Content in the user's role: its texts are one prompt; results of tools stand there, too."""
        texts: list[str] = []
        others: list[Object] = []
        for block in map(tagged, blocks_of(content)):
            if shape(block) in TEXTS:
                texts.append(words_of(block))
            else:
                others.append(block)
        if texts:
            self.prompt("\n".join(texts), injected=injected)
        for block in others:
            self.block(block)

    def block(self, block: Object) -> None:
        """One block that is no text of a person."""
        block = tagged(block)
        kind = shape(block)
        if kind in TEXTS:
            self.answer(words_of(block))
        elif kind in THOUGHTS:
            self.thought(_thought(block))
        elif kind in CALLS:
            inner = {**block, **dict_of(block.get("toolCall")), **dict_of(block.get("function"))}
            inner = {**inner, **dict_of(inner.get("value"))}
            self.call(first(inner, NAMES), first(inner, INPUTS))
        elif kind in RESULTS:
            self.result(first(block, OUTPUTS), text_of(first(block, IDS)))
        elif kind not in QUIET:
            self.unknown.append(f"block={text_of(block.get('type') or block.get('kind'))[:40]}")

    def calls(self, calls: object) -> None:
        """The calls that stand beside the content, as OpenAI's interface has them."""
        for call in map(dict_of, list_of(calls)):
            inner = {**call, **dict_of(call.get("function"))}
            self.call(first(inner, NAMES), first(inner, INPUTS))


def tagged(block: Object) -> Object:
    """A block of a tagged enum, `{"Text": "…"}`, as one with a type."""
    if len(block) == 1 and "type" not in block:
        (kind, value), *_ = block.items()
        if kind[:1].isupper():
            return {"type": kind, **value} if isinstance(value, dict) else {"type": kind, "text": value}
    return block


def shape(block: Object) -> str:
    """The type of a block, without case and separators.

    >>> shape({"type": "tool-call"}), shape({"kind": "toolUse"})
    ('toolcall', 'tooluse')
    """
    return _WORDS.sub("", text_of(block.get("type") or block.get("kind")).lower())


def words_of(block: Object) -> str:
    """The text of a block."""
    for key in ("text", "value", "content", "data"):
        if isinstance(block.get(key), str):
            return str(block[key])
        if isinstance(block.get(key), dict):
            return words_of(block[key])
    return ""


def _thought(block: Object) -> str:
    texts = [text_of(block.get(key)) for key in ("thinking", "think", "text", "reasoning", "content")]
    parts = [text_of(dict_of(part).get("text")) for part in list_of(block.get("summary"))]
    return next(filter(None, texts), "") or "\n".join(filter(None, parts))


def first(block: Object, keys: Iterable[str]) -> object:
    """The first of some fields that is there."""
    return next((block[key] for key in keys if block.get(key) is not None), None)
