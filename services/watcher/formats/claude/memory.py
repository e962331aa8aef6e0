"""What is remembered of a Claude Code file: the queue, the message that is being streamed, open questions. Pure."""

from __future__ import annotations

from collections import Counter

import msgspec

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.formats.base import Item, State

MOST_WAITING = 500
"""Entries of a queue that are remembered; nobody types more into a running turn."""

MOST_QUESTIONS = 500
"""Questions that are remembered until they are answered."""


class Queue:
    """What was typed while the assistant worked. An entry leaves as an ordinary prompt (dequeue), into the
    running turn (remove; newer versions repeat it as an attachment, before or after), or back to the input box."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.removed: Counter[str] = Counter()
        """Given to the turn by `remove`, its attachment not seen yet."""
        self.attached: Counter[str] = Counter()
        """Given to the turn by an attachment, its `remove` not seen yet."""

    def take(self, content: str) -> str:
        """The entry with this content, or the oldest one; it leaves the queue."""
        if content in self.waiting:
            self.waiting.remove(content)
            return content
        return content or (self.waiting.pop(0) if self.waiting else "")


class Written(msgspec.Struct):
    """One block of a message, as it was written last."""

    kind: Kind
    text: str
    tool: str
    record: str
    block: int
    exchange: str
    revision: int = 0


class Message:
    """The assistant's message that was written last. Some programs write it again while it streams: another uuid, the
    same message id, all blocks from the first on, texts that have grown. The last one holds.

    A block is another writing of an earlier one if it is of the same kind and begins with its text, or is the same
    call; blocks are compared in their order. Two blocks of one message that differ stay two.
    """

    def __init__(self) -> None:
        self.id = ""
        self.blocks: list[Written] = []

    def take(self, message: str, record: str, items: list[Item], exchange: str, calls: list[str]) -> list[Item]:
        """The items that are new, or new writings of earlier ones; `calls` are the ids of tool calls by item."""
        if not message or message != self.id:
            self.id = message
            self.blocks = [
                Written(item.kind, item.text, call, record, item.block, exchange)
                for item, call in zip(items, calls, strict=True)
                if message
            ]
            return items
        fresh: list[Item] = []
        at = 0
        for item, call in zip(items, calls, strict=True):
            number = next((n for n in range(at, len(self.blocks)) if _again(self.blocks[n], item, call, record)), -1)
            if number < 0:
                self.blocks.append(Written(item.kind, item.text, call, record, item.block, exchange))
                fresh.append(item)
                continue
            at, earlier = number + 1, self.blocks[number]
            if item.text == earlier.text and earlier.record != record:
                continue
            if earlier.record == record:  # the same line again
                fresh.append(item)
                continue
            earlier.text, earlier.revision = item.text, earlier.revision + 1
            fresh.append(
                msgspec.structs.replace(
                    item, id=earlier.record, block=earlier.block, revision=earlier.revision, exchange=earlier.exchange
                )
            )
        return fresh


def _again(earlier: Written, item: Item, call: str, record: str) -> bool:
    """True if an item is another writing of an earlier block."""
    if earlier.kind is not item.kind:
        return False
    if call or earlier.tool:
        return call == earlier.tool
    if earlier.record == record:
        return earlier.block == item.block
    return bool(earlier.text.strip()) and item.text.startswith(earlier.text)


class ClaudeState(State):
    """The queue, the message that was written last, and questions, beside the running exchange."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = Queue()
        self.message = Message()
        self.questions: dict[str, None] = {}
        """Ids of calls by which the assistant asked a person."""
        self.forked = False

    def ask(self, call: str) -> None:
        """Notes a question."""
        self.questions[call] = None
        if len(self.questions) > MOST_QUESTIONS:
            del self.questions[next(iter(self.questions))]
