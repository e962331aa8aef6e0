"""Copilot Chat in VS Code and its forks: a document, or the log of the operations that make it. Pure.

A log's lines are `{kind, k, v, i}`: 0 = the whole object, 1 = set what is at path `k`, 2 = push the items of `v` to the
list at `k` (from index `i`, what was there is cut), 3 = delete what is at `k`. A request is told when the line that
changed it is read; it is written again when it has changed.
"""

from __future__ import annotations

import hashlib

import msgspec

from mnemostream.contracts.transcripts import Kind
from mnemostream.services.watcher.authorship.texts import Object, arguments_of, dict_of, list_of, text_of
from mnemostream.services.watcher.formats.base import Context, Format, Reading, State, unknown
from mnemostream.services.watcher.formats.documents.operations import applied
from mnemostream.services.watcher.formats.messages import Said
from mnemostream.services.watcher.formats.messages.plain import titled
from mnemostream.services.watcher.formats.times import moment

TEXTS = frozenset({"", "markdownContent", "markdownVuln", "progressMessage", "inlineReference"})
QUIET = frozenset(
    {
        "codeblockUri",
        "command",
        "confirmation",
        "elicitation",
        "mcpServersStarting",
        "notebookEditGroup",
        "prepareToolInvocation",
        "progressTaskSerialized",
        "references",
        "textEditGroup",
        "undoStop",
        "usedContext",
        "warning",
        "workspaceEdit",
    }
)


class Session(State):
    """The object that the operations make, and what was told of each request."""

    def __init__(self) -> None:
        super().__init__()
        self.whole: Object = {}
        self.told: dict[str, tuple[bytes, int, str, int]] = {}


class VsCode(Format):
    """`requests[]`."""

    name = "vscode"
    documents = True

    def context(self, path: str, first: Object | None = None) -> Context:
        obj = dict_of(dict_of(first).get("v")) or dict_of(first)
        return Context(text_of(obj.get("sessionId")) or super().context(path).session_id)

    def sniff(self, first: Object) -> bool:
        if isinstance(first.get("kind"), int) and "v" in first:
            return True
        listing = first.get("requests")
        return isinstance(listing, list) and (not listing or "message" in dict_of(listing[0]))

    def state(self) -> State:
        return Session()

    def read(self, obj: Object, file: Context, state: State) -> Reading:
        if not isinstance(state, Session):
            return Reading(unknown("state"))
        if isinstance(obj.get("kind"), int):
            done = applied(state.whole, obj)
            if done is None:
                return Reading(unknown(f"operation/{obj.get('kind')}"))
            state.whole = done
            return self._told(f"operation/{obj['kind']}", state, file, offset=False)
        if "requests" in obj:
            state.whole = obj
            return self._told("document", state, file, offset=True)
        return Reading(unknown(obj.get("type")))

    def _told(self, name: str, state: Session, file: Context, *, offset: bool) -> Reading:
        """Requests that are new, or say something else than before."""
        items = [] if "title" in state.told else titled({**state.whole, "title": state.whole.get("customTitle")})
        if items:
            state.told["title"] = (b"", 0, "", 0)
        odd: list[str] = []
        for number, request in enumerate(map(dict_of, list_of(state.whole.get("requests")))):
            name_ = text_of(request.get("requestId")) or f"request-{number}"
            digest = hashlib.sha256(msgspec.json.encode(request)).digest()[:12]
            before = state.told.get(name_)
            if before and before[0] == digest:
                continue
            said = _request(request)
            revision = before[1] + 1 if before else 0
            unit = self.exchange_id(name_, file) if said.items else ""
            state.told[name_] = (digest, revision, unit, number)
            odd += said.unknown
            when = moment(request.get("timestamp"))
            items += [
                msgspec.structs.replace(
                    item,
                    id=name_,
                    timestamp=when,
                    offset=number if offset else -1,
                    revision=revision,
                    exchange=unit if revision else "",
                )
                for item in said.items
            ]
        return Reading(name, items, unknown=odd)


def _request(request: Object) -> Said:
    """A question, and the parts of the answer in the order of the screen."""
    said = Said("vscode")
    said.prompt(text_of(dict_of(request.get("message")).get("text")))
    for part in map(dict_of, list_of(request.get("response"))):
        kind = text_of(part.get("kind"))
        if kind in TEXTS:
            said.answer(_words(part))
        elif kind in ("thinking", "progress"):
            said.thought(_words(part))
        elif kind == "toolInvocationSerialized":
            specific = dict_of(part.get("toolSpecificData"))
            line = dict_of(specific.get("commandLine")).get("original") or specific.get("rawInput")
            told = line or _words({"value": part.get("invocationMessage")})
            said.call(part.get("toolId"), arguments_of(told) if told else "")
            if output := _words(dict_of(part.get("resultDetails")) or {"value": part.get("pastTenseMessage")}):
                said.result(output, text_of(part.get("toolCallId")))
        elif kind not in QUIET:
            said.unknown.append(f"part={kind[:40]}")
    if error := text_of(dict_of(dict_of(request.get("result")).get("errorDetails")).get("message")):
        said.add(Kind.ERROR, error)
    return said


def _words(part: Object) -> str:
    """Markdown is a text, or an object with one; a reference in the line is shown by its name."""
    for key in ("value", "content", "output", "name"):
        value = part.get(key)
        if isinstance(value, str):
            return value
        if isinstance(value, dict):
            return _words(value)
    reference = dict_of(part.get("inlineReference"))
    return text_of(reference.get("name")) or text_of(reference.get("path")).rsplit("/", 1)[-1]
