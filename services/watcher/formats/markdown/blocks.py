"""Blocks of lines by one author. Pure.

A block is told with its first words; as it grows it is written again, as another revision: the number of its lines
says which one holds, however the bytes were cut.
"""

from __future__ import annotations

from mnemostream.contracts.transcripts import OPENERS, Kind
from mnemostream.services.watcher.formats.base import Context, Format, Item, Reading, State


class Block(State):
    """The block that is open."""

    def __init__(self) -> None:
        super().__init__()
        self.kind: Kind | None = None
        self.lines: list[str] = []
        self.number = 0
        self.when = ""
        self.unit = ""
        """The exchange of the block."""
        self.told = 0
        """Lines of it when it was told first; 0 = not yet."""


class Blocks(Format):
    """Formats whose records end at the next heading."""

    plain = True

    def state(self) -> State:
        return Block()

    def flush(self, file: Context, state: State) -> Reading:
        return Reading("open", self.ended(state)) if isinstance(state, Block) else Reading("open")

    def begin(self, state: Block, kind: Kind | None) -> list[Item]:
        """Ends the block that is open, and opens one of this kind."""
        items = self.ended(state)
        state.kind, state.lines, state.told, state.number = kind, [], 0, state.number + 1
        return items

    def add(self, state: Block, line: str, file: Context) -> list[Item]:
        """One more line; the block is told with its first words."""
        state.lines.append(line)
        if state.kind is None or state.told or not line.strip():
            return []
        state.told = len(state.lines)
        name = f"block-{state.number}"
        state.unit = self.exchange_id(name, file) if state.kind in OPENERS else ""
        return [Item(state.kind, line, id=name, timestamp=state.when)]

    def ended(self, state: Block) -> list[Item]:
        """The whole block, if it has grown since it was told."""
        text = "\n".join(state.lines).strip("\n")
        if state.kind is None or not state.told or len(state.lines) == state.told:
            return []
        if "\n" not in text:
            return []
        revision = len(state.lines) - state.told
        return [
            Item(
                state.kind,
                text,
                id=f"block-{state.number}",
                timestamp=state.when,
                revision=revision,
                exchange=state.unit,
            )
        ]
