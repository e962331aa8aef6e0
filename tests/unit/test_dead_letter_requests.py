"""When the outcome of a request about dead letters is known."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from mnemostream.cli.bus.dead_letter_requests import Asked, Listed, settled
from mnemostream.contracts.http.archive import DeadLetterItem


def letter(retry: str) -> DeadLetterItem:
    fields = {field.name: field for field in msgspec.structs.fields(DeadLetterItem)}
    kinds: dict[object, object] = {int: 1, str: "", bool: False}
    values = {name: kinds.get(field.type) for name, field in fields.items() if field.required}
    return DeadLetterItem(**{**values, "sequence": 7, "retry": retry})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("what", "looks"),
    [
        ("drop", [["failed"], ["failed"], []]),
        ("drop", [[""], []]),
        ("retry", [["pending"], ["failed"]]),
        ("retry", [[""], []]),
    ],
)
def test_a_request_is_settled_when_its_letter_is_gone_or_says_so(
    monkeypatch: pytest.MonkeyPatch, what: str, looks: list[list[str]]
) -> None:
    async def at_once(_: float) -> None:
        return

    monkeypatch.setattr(asyncio, "sleep", at_once)
    left = [Listed([letter(retry) for retry in look], len(look)) for look in looks]
    found = settled(lambda: left.pop(0), Asked(what), [7])
    assert left == []
    assert [each.retry for each in found.deadletters] == looks[-1]
