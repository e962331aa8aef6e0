"""One reading of every shape of text: a string, a block, one Part, a list of them, lists in lists, null. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

Object = dict[str, Any]

OUTPUT_KEYS = ("output", "stdout", "stderr", "content", "text", "llmContent", "result", "error", "message")
"""Where the results of tools have their text, in this order."""
WRAPPED = '{"'
"""How a result begins that is JSON within a text."""
MOST_LEVELS = 64
"""Levels of lists and objects inside content that are read."""


def dict_of(value: object) -> Object:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def list_of(value: object) -> list[Any]:
    """`value` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def text_of(value: object) -> str:
    """`value` if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def content_of(message: object) -> object:
    """The content of a message: of its field `content` or `parts`, or the message itself where it is a text or list."""
    if isinstance(message, dict):
        if (content := message.get("content")) is not None:
            return content
        return next((message[key] for key in ("content", "parts", "text") if message.get(key) is not None), None)
    return message


PLAIN = (str, type(None))


def blocks_of(content: object, level: int = 0) -> list[Object]:
    """Content of any shape as a flat list of blocks; a text alone is a block of type text.

    >>> blocks_of([["a"], {"parts": [{"text": "b"}]}])
    [{'type': 'text', 'text': 'a'}, {'text': 'b'}]
    """
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if level > MOST_LEVELS:
        return []
    if isinstance(content, list):
        for part in content:
            if type(part) is not dict or "type" not in part or type(part.get("text")) not in PLAIN:
                break
        else:
            return content  # the usual shape: nothing to flatten
        return [block for part in content for block in blocks_of(part, level + 1)]
    if not isinstance(content, dict):
        return []
    if isinstance(content.get("text"), (dict, list)):  # the text is a block itself
        inner = "\n".join(text_of(block.get("text")) for block in blocks_of(content["text"], level + 1))
        return [{**content, "text": inner}]
    if "type" not in content and "text" not in content:
        inside = [content[key] for key in ("parts", "content", "value") if key in content]
        return blocks_of(inside[0], level + 1) if inside else [content]
    return [content]


def joined(content: object, *types: str) -> str:
    """The texts of all blocks, or of those of some types, joined by newlines."""
    return "\n".join(
        text_of(block.get("text"))
        for block in blocks_of(content)
        if isinstance(block.get("text"), str) and (not types or block.get("type") in types)
    )


def arguments_of(value: object) -> str:
    """The input of a tool call: its text, or its JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode("utf-8", "replace")


def output_of(value: object, level: int = 0) -> str:
    """The text of a tool's result: of blocks, of the fields that hold it, or of JSON in a text; else its JSON.

    >>> output_of({"stdout": "a", "stderr": "", "interrupted": False})
    'a'
    """
    if isinstance(value, str):
        return _unwrapped(value, level) if value.startswith(WRAPPED) else value
    if not value or level > MOST_LEVELS:
        return ""
    if isinstance(value, list):
        return "\n".join(filter(None, (output_of(part, level + 1) for part in value)))
    if isinstance(value, dict):
        found = [output_of(value[key], level + 1) for key in OUTPUT_KEYS if value.get(key)]
        if any(found):
            return "\n".join(filter(None, found))
        value = {key: item for key, item in value.items() if key not in ("type", "data", "source", "encrypted_content")}
    return msgspec.json.encode(value).decode("utf-8", "replace") if value else ""


def _unwrapped(text: str, level: int) -> str:
    """Codex writes a result as JSON in a text: the output within, or the text as it is."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
    inner = [value[key] for key in ("output", "stdout") if isinstance(dict_of(value).get(key), str)]
    return inner[0] if inner else text
