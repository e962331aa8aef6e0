"""What every format shares: the line's context, the state from line to line, the way from items to records. Pure.

A format reads one JSON object at a time. What it must remember stands in `State`, which is rebuilt by reading
the archived bytes again: no byte of it is stored anywhere, so a better parser can always start from the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from mnemostream.contracts import codec, sources
from mnemostream.contracts.transcripts import OPENERS, Kind, Record
from mnemostream.services.watcher.authorship.texts import Object, text_of

FIELD_CHARS = 200
PATH_CHARS = 4096
"""Bounds of what is not text: a hostile field must not make an event, or an index entry, too large."""

SILENT = frozenset(
    {Kind.FORK, Kind.TITLE, Kind.INJECTED, Kind.LOCAL_COMMAND, Kind.LOCAL_OUTPUT, Kind.QUEUED, Kind.INTERRUPT}
)
"""Kinds that never begin a unit: nobody answers them."""


def identifier(text: str) -> str:
    """An id as it can be stored: without NUL, and a hash in place of one that is no id but a text."""
    if len(text) > FIELD_CHARS:
        return f"long-{_digest(text)}"
    return codec.storable(text)


class Context(msgspec.Struct, frozen=True):
    """What the path of a file says about it."""

    session_id: str
    subagent: bool = False


class State:
    """What must be remembered from one line to the next. Formats add their own fields."""

    def __init__(self) -> None:
        self.exchange = ""
        """Id of the running exchange."""
        self.by_person = False
        """True if a person opened the running exchange."""
        self.chain = ""
        """A hash over all prompts up to the running one: the same in every copy of a history."""
        self.cwd = ""
        self.ordinals: dict[int, int] = {}
        """How often a line without an id of its own was seen, by a short hash of it."""
        self.opened: dict[str, tuple[str, str]] = {}
        """Exchange and chain that a line without an id of its own has opened: a replay of it goes on there."""


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
    offset: int = -1  # below zero from the line on: -1 is its beginning, -2 one byte behind that
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
    unknown: Sequence[str] = ()
    """Witnesses of the author that nobody knows, as `field=value@version`: counted beside the line."""


class Format:
    """One assistant's transcripts. Subclasses are stateless; see CONTRIBUTING.md for a new one."""

    name = ""
    documents = False
    """True if files of this format may be one JSON object that is rewritten as a whole."""

    unique_ids = False
    """True if the assistant's ids are unique everywhere (UUIDs), and the same in every copy of a record."""

    plain = False
    """True if its lines are words, no JSON: each is read as an object with the one field `line`."""
    opaque = False
    """True if its files are archived as they are and never read."""

    def __init__(self, name: str = "") -> None:
        """`name` is that of one of several assistants that write in this dialect."""
        if name:
            self.name = name

    @property
    def version(self) -> int:
        """Of the parser; contracts/sources.py."""
        return sources.PARSERS.get(self.name, 1)

    def context(self, path: str, first: Object | None = None) -> Context:
        """Session and role of a file, from its path below the root and its first object: here the stem."""
        return Context(path.rsplit("/", 1)[-1].rsplit(".", 1)[0])

    def sniff(self, first: Object) -> bool:
        """True if an object with these keys is written by this assistant and by no other."""
        raise NotImplementedError

    def state(self) -> State:
        """The state at the beginning of a file."""
        return State()

    def matters(self, line: bytes, state: State) -> bool:
        """False for a line that surely leaves the state as it is: it need not be decoded when state is rebuilt."""
        return True

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        """What one object says. May move the state on; never raises."""
        raise NotImplementedError

    def flush(self, file: Context, state: State) -> Reading:
        """What is open at the end of some bytes; it is written again, as another revision, when it has grown."""
        return Reading("")

    def flushed(self, offset: int, file: Context, state: State) -> list[Record]:
        """The records of what is open."""
        reading = self.flush(file, state)
        line = _Line(self, file, state, reading, identifier(reading.id))
        return [line.record(item, offset) for item in reading.items]

    def records(self, obj: Object, offset: int, file: Context, state: State) -> tuple[list[Record], list[str]]:
        """The records of one object, and the names under which its line is counted; an opener moves the exchange on.

        Where lines have no ids, one that was there before, time stamp included, is a replay and has its records.
        """
        reading = self.read(obj, file, state)
        names = [reading.name]
        if reading.unknown:
            names += [f"unknown:{witness}" for witness in reading.unknown]
        if not reading.items:
            return [], names
        name = identifier(reading.id)
        if not name and not all(item.id for item in reading.items):
            name, replayed = _line_id(obj, state)
            if replayed and reading.timestamp and not self.unique_ids:
                state.exchange, state.chain = state.opened.get(replayed, (state.exchange, state.chain))
                return [], names
        line = _Line(self, file, state, reading, name)
        return [line.record(item, offset) for item in reading.items], names

    def exchange_id(self, opener: str, file: Context) -> str:
        """The id of the exchange that an opener begins: its own id, or, where that is unique in its session at best,
        a hash of source, session and opener."""
        return opener if self.unique_ids else f"{self.name}-{_digest(self.name, file.session_id, opener)}"

    def opener_key(self, name: str, link: str) -> str:
        """What tells an opener from all others of its session: its id; `link`, the chain up to it, for formats without
        ids."""
        return name

    def copy_key(self, name: str, link: str) -> str:
        """What a copy of an opener has in common with the original: `link`, the chain of prompts up to it."""
        return link


class _Line:
    """The records of one object; `name` is the id of those that have none of their own."""

    def __init__(self, form: Format, file: Context, state: State, reading: Reading, name: str) -> None:
        self.form, self.file, self.state, self.reading, self.name = form, file, state, reading, name
        self.used: set[tuple[str, int, int]] = set()

    def record(self, item: Item, offset: int) -> Record:
        """One record, in the exchange that it opens or that is running."""
        reading, state = self.reading, self.state
        name = identifier(item.id) or self.name
        block = item.block
        if len(reading.items) > 1:  # two blocks of one place stay two
            while (name, block, item.revision) in self.used:
                block += 1
            self.used.add((name, block, item.revision))
        copy_key = "" if item.revision else self._opened(item, name)
        return Record(
            id=name,
            kind=item.kind,
            offset=offset - 1 - item.offset if item.offset < 0 else item.offset,
            block=block,
            text=item.text,
            tool=item.tool[:FIELD_CHARS],
            tool_input=item.tool_input,
            timestamp=(item.timestamp or reading.timestamp)[:FIELD_CHARS],
            exchange_id=item.exchange or state.exchange,
            cwd=(item.cwd or reading.cwd or state.cwd)[:PATH_CHARS],
            role=(item.role or reading.role)[:FIELD_CHARS],
            revision=item.revision,
            copy_key=copy_key,
        )

    def _opened(self, item: Item, name: str) -> str:
        """Moves the exchange on if the item opens one; then what its copies have in common, else "".

        A prompt opens one always. What no person has begun is a unit of its own: it begins with the message of a
        program or another agent, else with the first word that was said.
        """
        state, form = self.state, self.form
        prompt = item.kind in OPENERS or (self.file.subagent and item.kind is Kind.SUBAGENT_PROMPT)
        message = item.kind is Kind.NOTIFICATION and not state.by_person
        if not prompt and not message and (state.exchange or item.kind in SILENT):
            return ""
        link = _digest(form.name, state.chain, "" if prompt else "unit", "".join(item.text.split()))
        state.chain = link if prompt else state.chain
        state.by_person = item.kind in OPENERS
        state.exchange = form.exchange_id(form.opener_key(name, link) if prompt else name, self.file)
        if name == self.name and not self.reading.id:
            state.opened[name] = (state.exchange, state.chain)
        return form.copy_key(name, link)


def _line_id(obj: Object, state: State) -> tuple[str, str]:
    """The id of a line without one: the hash of its object, and its ordinal among identical ones; and the id of the
    first of these, "" if it is this one. What else stands on a damaged line must not change the id."""
    digest = hashlib.sha256(msgspec.json.encode(obj)).digest()
    short = int.from_bytes(digest[:8], "big")
    ordinal = state.ordinals.get(short, 0)
    state.ordinals[short] = ordinal + 1
    name = f"line-{digest[:16].hex()}"
    return (f"{name}-{ordinal}", name) if ordinal else (name, "")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]


def unknown(kind: object) -> str:
    """The name under which an object of an unknown type is counted."""
    return f"unknown:{text_of(kind)[:40] or 'no_type'}"
