"""Dead letters over the health API: list, ask for a retry or a drop, wait for the outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import msgspec

from mnemostream.cli.api import CannotTell, asking, get, headers, problem
from mnemostream.cli.console import err, worded
from mnemostream.contracts.http.archive import DeadLetterItem, DeadLetters
from mnemostream.local.endpoints import Endpoints
from mnemostream.runtime import bus

OUTCOME_SECONDS = 70.0
"""Without any outcome for so long, a request is not waited for."""
BUSY_SECONDS = 120.0
"""For a place in the queue of requests."""
PAGE, MOST = 100, 200
"""Dead letters of one page, and the newest ones, which can be paged through."""


class Asked(msgspec.Struct, frozen=True):
    """What is wanted: `retry` or `drop`, and why a letter is dropped."""

    what: str
    why: str = ""


class Listed(msgspec.Struct):
    """Dead letters that were chosen; `kept` counts all in the stream."""

    deadletters: list[DeadLetterItem] = []
    kept: int = 0


def listed(where: Endpoints, stage: str | None, reason: str) -> Listed:
    """All that can be paged through, filtered."""
    listing = Listed()
    offset: int | None = 0
    while offset is not None:
        only = {"stage": stage, "reveal": "true"} if stage else {"reveal": "true"}
        page = get(where, "deadletters", DeadLetters, params={"limit": PAGE, "offset": offset, **only})
        listing.kept = page.kept
        listing.deadletters += [x for x in page.deadletters if reason.lower() in x.error.lower()]
        offset = page.next
    return listing


def dead_letter(where: Endpoints, number: int) -> DeadLetterItem:
    for letter in listed(where, None, "").deadletters:
        if letter.sequence == number:
            return letter
    raise CannotTell(f"no dead letter {number} among the newest; run `mnemo deadletters list`")


async def original(where: Endpoints, letter: DeadLetterItem) -> bytes:
    """The message as it is in the log. Raises Transient, Misconfigured, nats errors."""
    async with bus.connect(where.reading().nats_url, "mnemo") as connection:
        stored = await connection.stream.get_msg(letter.stream, letter.stream_sequence, direct=True)
        return stored.data or b""


async def ask_all(where: Endpoints, what: Asked, asked: list[int]) -> list[int]:
    """Those that were taken; why the others were not is said, and the rest goes on."""
    async with asking(where) as client:
        return [sequence for sequence in asked if await _ask(client, where, what, sequence)]


async def _ask(client: httpx.AsyncClient, where: Endpoints, what: Asked, sequence: int) -> bool:
    url = f"{where.health_url}/v1/autosave/deadletters/{sequence}"
    if what.what == "retry":
        request = client.build_request("POST", f"{url}/retry", headers=headers(where))
    else:
        request = client.build_request("DELETE", url, params={"why": what.why}, headers=headers(where))
    loop = asyncio.get_running_loop()
    deadline = loop.time() + BUSY_SECONDS
    try:
        while True:
            answer = await client.send(request)
            if answer.status_code != 429 or loop.time() > deadline:
                break
            await asyncio.sleep(float(answer.headers.get("retry-after", 1)))
    except httpx.HTTPError as error:
        raise CannotTell("the health service does not answer") from error
    if answer.status_code == 401:
        raise CannotTell(problem(answer))
    if answer.status_code != 202:
        err.print(worded("dead letter {}: {}", sequence, problem(answer)), soft_wrap=True)
    return answer.status_code == 202


def settled(look: Callable[[], Listed], what: Asked, asked: list[int]) -> Listed:
    """The list, as soon as each request has an outcome: a dropped letter is gone, whatever it says of a retry."""

    async def waited() -> Listed:
        loop = asyncio.get_running_loop()
        deadline, before = loop.time() + OUTCOME_SECONDS, len(asked)
        while True:
            await asyncio.sleep(1.0)  # the next judgement at the earliest
            listing = await asyncio.to_thread(look)
            of_asked = [x for x in listing.deadletters if x.sequence in asked]
            open_ = [x for x in of_asked if what.what == "drop" or x.retry in ("", "pending")]
            if len(open_) < before:
                deadline, before = loop.time() + OUTCOME_SECONDS, len(open_)
            # Their count is of the last look at the stream, the list may lag behind it.
            counted = len(listing.deadletters) >= min(listing.kept, MOST)
            if (not open_ and counted) or loop.time() > deadline:
                return listing

    return asyncio.run(waited())
