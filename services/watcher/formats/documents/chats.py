"""Exports that a person asks for: ChatGPT, Claude.ai, Gemini from Google Takeout. Pure; by description.

One file holds all conversations; each is an exchange chain of its own, and its title opens nothing.
"""

from __future__ import annotations

import html
import re

import msgspec

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.texts import Object, dict_of, list_of, text_of
from mnemostream.services.watcher.formats.base import Context, Format, Item, Reading, State, unknown
from mnemostream.services.watcher.formats.lines import LIST
from mnemostream.services.watcher.formats.messages import Messages, Said
from mnemostream.services.watcher.formats.messages.plain import numbered, titled
from mnemostream.services.watcher.formats.times import moment

TAG = re.compile(r"<[^>]+>")
PROMPTED = ("Prompted ", "Said ", "Asked ")


class ChatGpt(Format):
    """`mapping`: a tree of messages; what was left was said, too, in the order of its times."""

    name = "chatgpt"
    documents = True

    def sniff(self, first: Object) -> bool:
        return any("mapping" in one for one in _conversations(first)[:4])

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        items: list[Item] = []
        for conversation in _conversations(obj):
            nodes = [dict_of(dict_of(node).get("message")) for node in dict_of(conversation.get("mapping")).values()]
            session = text_of(conversation.get("conversation_id") or conversation.get("id"))
            items += _titled(conversation, session)
            for message in sorted((n for n in nodes if n), key=_when):
                said = Said(self.name)
                role = text_of(dict_of(message.get("author")).get("role"))
                content = dict_of(message.get("content"))
                words = "\n".join(part for part in list_of(content.get("parts")) if isinstance(part, str))
                if role == "user":
                    said.prompt(words)
                elif role == "assistant":
                    said.answer(words or text_of(content.get("text")))
                elif role == "tool":
                    said.result(
                        words or text_of(content.get("text")), text_of(dict_of(message.get("author")).get("name"))
                    )
                else:
                    said.add(Kind.INJECTED, words)
                items += _placed(said.items, message, len(items), moment(message.get("create_time")))
        return Reading("document", items)


class ClaudeAi(Messages):
    """`chat_messages[]` with `sender` human or assistant."""

    name = "claude-ai"

    def sniff(self, first: Object) -> bool:
        return any("chat_messages" in one for one in _conversations(first)[:4])

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        items: list[Item] = []
        odd: list[str] = []
        for conversation in _conversations(obj):
            items += _titled(conversation, text_of(conversation.get("uuid")))
            for message in map(dict_of, list_of(conversation.get("chat_messages"))):
                told, said = self.message(message, file)
                odd += said.unknown if told else ["message=no_role"]
                items += numbered(said.items, message, len(items))
        return Reading("document", items, unknown=odd)


class Takeout(Format):
    """`MyActivity.json`: one entry a prompt, the answer as HTML, newest first."""

    name = "gemini-takeout"
    documents = True

    def sniff(self, first: Object) -> bool:
        return any(text_of(one.get("header")).startswith("Gemini") for one in _conversations(first)[:4])

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        items: list[Item] = []
        for number, entry in enumerate(reversed(_conversations(obj))):
            title = text_of(entry.get("title"))
            prompt = next((title.removeprefix(head) for head in PROMPTED if title.startswith(head)), "")
            if not prompt:
                continue
            said = Said(self.name)
            said.prompt(prompt)
            for part in map(dict_of, list_of(entry.get("safeHtmlItem"))):
                said.answer(html.unescape(TAG.sub("", text_of(part.get("html")))))
            name = f"{text_of(entry.get('time')) or number}"
            items += _placed(said.items, {"id": name}, number, moment(entry.get("time")))
        return Reading("document", items) if items else Reading(unknown("activity"))

    def context(self, path: str, first: Object | None = None) -> Context:
        return Context("gemini-takeout")


def _conversations(obj: Object) -> list[Object]:
    return [dict_of(one) for one in list_of(obj[LIST])] if LIST in obj else [obj]


def _titled(conversation: Object, session: str) -> list[Item]:
    return [msgspec.structs.replace(item, id=f"title-{session}") for item in titled(conversation)]


def _placed(items: list[Item], message: Object, number: int, when: str) -> list[Item]:
    name = text_of(message.get("id")) or f"message-{number}"
    return [msgspec.structs.replace(item, id=name, timestamp=when, offset=number) for item in items]


def _when(message: Object) -> float:
    told = message.get("create_time")
    return float(told) if isinstance(told, (int, float)) else 0.0
