"""What every format shares: the line's context, the state from line to line, the way from items to records. Pure.

A format reads one JSON object at a time. What it must remember stands in `State`, which is rebuilt by reading
the archived bytes again: no byte of it is stored anywhere, so a better parser can always start from the file.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from contracts import codec
from contracts.transcripts import OPENERS, Kind, Record

Object = dict[str, Any]

TOOL_INPUT_CHARS = 400
"""Characters of a tool's input kept for display; the whole input is in the segment's bytes."""


FIELD_CHARS = 200
PATH_CHARS = 4096
"""Bounds of what is not text: a hostile field must not make an event, or an index entry, too large."""


def identifier(text: str) -> str:
    """An id as it can be stored: without NUL, and a hash in place of one that is no id but a text."""
    if len(text) > FIELD_CHARS:
        return f"long-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:32]}"
    return codec.storable(text)


class Context(msgspec.Struct, frozen=True):
    """What the path of a file says about it."""

    session_id: str
    subagent: bool = False


class State:
    """What must be remembered from one line to the next. Formats add their own fields."""

    def __init__(self) -> None:
        self.exchange = ""
        """Id of the record that opened the running exchange."""
        self.cwd = ""
        self.ordinals: dict[int, int] = {}
        """How often a line without an id of its own was seen, by a short hash of it."""


class Item(msgspec.Struct, frozen=True):
    """One content block on its way to a record. Empty fields are taken from the line."""

    kind: Kind
    text: str = ""
    tool: str = ""
    tool_input: str = ""
    block: int = 0
    id: str = ""
    timestamp: str = ""
    cwd: str = ""
    role: str = ""
    offset: int = -1
    revision: int = 0
    exchange: str = ""
    """The exchange of a record that is written again later."""


class Reading(msgspec.Struct, frozen=True):
    """What one object says: its items, the name under which it is counted, its id and time."""

    name: str
    items: list[Item] = []
    id: str = ""
    timestamp: str = ""
    cwd: str = ""
    role: str = ""


class Format:
    """One assistant's transcripts. Subclasses are stateless; see CONTRIBUTING.md for a new one."""

    name = ""
    version = 1
    """Raised when the same bytes give other records; `mnemo replay --reparse` then applies it to the archive."""

    documents = False
    """True if files of this format may be one JSON object that is rewritten as a whole."""

    def context(self, path: str, first: Object | None = None) -> Context:
        """Session and role of a file, from its path below the root and its first object: here the stem."""
        return Context(path.rsplit("/", 1)[-1].rsplit(".", 1)[0])

    def sniff(self, first: Object) -> bool:
        """True if an object with these keys is written by this assistant and by no other."""
        raise NotImplementedError

    def state(self) -> State:
        """The state at the beginning of a file."""
        return State()

    def matters(self, line: bytes) -> bool:
        """False for a line that surely leaves the state as it is: it need not be decoded when state is rebuilt."""
        return True

    def read(self, obj: Object, file: Context, state: State, line_id: str) -> Reading:
        """What one object says. May move the state on; never raises. `line_id` names a line without an id."""
        raise NotImplementedError

    def records(self, obj: Object, line_id: str, offset: int, file: Context, state: State) -> tuple[list[Record], str]:
        """The records of one object and the name under which its line is counted; an opener moves the exchange on."""
        reading = self.read(obj, file, state, line_id)
        records: list[Record] = []
        used: set[tuple[str, int, int]] = set()
        for item in reading.items:
            name = identifier(item.id or reading.id or line_id)
            block = item.block
            while (name, block, item.revision) in used:
                block += 1
            used.add((name, block, item.revision))
            if item.kind in OPENERS and not item.revision:
                state.exchange = name
            records.append(
                Record(
                    id=name,
                    kind=item.kind,
                    offset=offset if item.offset < 0 else item.offset,
                    block=block,
                    text=item.text,
                    tool=item.tool[:FIELD_CHARS],
                    tool_input=item.tool_input,
                    timestamp=(item.timestamp or reading.timestamp)[:FIELD_CHARS],
                    exchange_id=identifier(item.exchange) if item.exchange else state.exchange,
                    cwd=(item.cwd or reading.cwd or state.cwd)[:PATH_CHARS],
                    role=(item.role or reading.role)[:FIELD_CHARS],
                    revision=item.revision,
                )
            )
        return records, reading.name


def unknown(kind: object) -> str:
    """The name under which an object of an unknown type is counted."""
    return f"unknown:{text_of(kind)[:40] or 'no_type'}"


def arguments_of(value: object) -> str:
    """The input of a tool call for display."""
    if isinstance(value, str):
        return value[:TOOL_INPUT_CHARS]
    return msgspec.json.encode(value).decode("utf-8", "replace")[:TOOL_INPUT_CHARS]


def dict_of(value: object) -> Object:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def list_of(value: object) -> list[Any]:
    """`value` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def text_of(value: object) -> str:
    """`value` if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def blocks_of(content: object) -> list[Object]:
    """Content as blocks: a text alone is one block of type text."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [b if isinstance(b, dict) else {"type": "text", "text": text_of(b)} for b in list_of(content)]


def joined(content: object, *types: str) -> str:
    """The texts of all blocks, or of those of some types, joined by newlines."""
    return "\n".join(
        text_of(block.get("text"))
        for block in blocks_of(content)
        if isinstance(block.get("text"), str) and (not types or block.get("type") in types)
    )
