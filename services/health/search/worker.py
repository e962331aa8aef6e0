"""The search process: answers what comes on one socket, a few questions at once, and ends when that closes.

It gives way to everything else on the machine: a search may take a few milliseconds longer, an answer about health not.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import msgspec

from mnemostream.archive import sessions
from mnemostream.archive.find.answer import CannotSearch
from mnemostream.archive.find.finder import LOST, PLANS, Embedders, Finder, as_it_is
from mnemostream.archive.render import fragments
from mnemostream.contracts.http.search import SessionPage
from mnemostream.runtime import logs
from mnemostream.runtime.logs import Log
from mnemostream.runtime.process.cores import cores
from mnemostream.runtime.process.helper import following, framed
from mnemostream.runtime.secrets.mask import masked_value
from mnemostream.runtime.secrets.scan import Scanner, scanner
from mnemostream.services.health.observe.store import describe
from mnemostream.services.health.search.messages import Answered, Asked, Projects, Read, Search, Sessions, Start

log = Log("mnemo.search")

CONNECTIONS = 2
"""Of one question: with more it is no sooner answered on two cores, and answers about health wait longer."""
SECONDS = 20.0
NICE = 10


def at_once() -> int:
    """Questions that the database has at the same time: each keeps two cores busy."""
    return max(1, cores() // 2)


class Missing(Exception):
    """There is no such thing; the text says so."""


class Answers:
    """Answers questions with JSON."""

    def __init__(self, finder: Finder, masks: Scanner) -> None:
        self._finder = finder
        self._masks = masks
        self._turn = asyncio.Semaphore(at_once())

    async def answer(self, asked: Asked) -> Answered:
        """Never raises, but for a cancellation."""
        try:
            async with self._turn, asyncio.timeout(SECONDS):
                found = await self._look(asked.question, None if asked.reveal else self._masks)
            html = isinstance(asked.question, Read) and asked.question.html
            return Answered(asked.number, await asyncio.to_thread(self._encoded, found, asked.reveal, html))
        except Missing as error:
            return Answered(asked.number, status=404, detail=str(error))
        except CannotSearch as error:
            return Answered(asked.number, status=503, detail=str(error))
        except LOST as error:
            return Answered(asked.number, status=503, detail=f"the database does not answer: {describe(error)}")
        except Exception as error:  # one question must not end the others
            log.exception("a search has failed", error)
            return Answered(asked.number, status=500, detail="the search has failed; the log of the service says why")

    async def _look(self, question: Search | Sessions | Read | Projects, masks: Scanner | None) -> msgspec.Struct:
        pool = self._finder.pool
        match question:
            case Search():
                return await self._finder.search(question.question, masks)  # a snippet is cut after it is masked
            case Sessions():
                return await sessions.sessions(pool, question.wanted)
            case Projects():
                return await sessions.projects(pool, question.limit)
            case Read():
                return await _page(pool, question)

    def _encoded(self, found: msgspec.Struct, reveal: bool, html: bool) -> bytes:
        """With `[secret: KIND]` in the place of each secret; HTML is made of what is shown."""
        shown = found if reveal else masked_value(msgspec.to_builtins(found), self._masks)
        if html:
            page = msgspec.convert(msgspec.to_builtins(shown), SessionPage)
            entries = [
                msgspec.structs.replace(entry, html=fragments.text(entry) if entry.text else "")
                for entry in page.entries
            ]
            shown = msgspec.structs.replace(page, entries=entries)
        return msgspec.json.encode(shown)


async def _page(pool: Any, question: Read) -> SessionPage:
    page = await sessions.page(pool, question.session, question.limit, question.offset, question.around)
    if page is None:
        raise Missing(f"no session {question.session[:100]!r}; see /v1/sessions for a list")
    return page


async def serve(connection: socket.socket) -> None:
    """Until the other side is gone."""
    reader, writer = await asyncio.open_connection(sock=connection)
    start = await following(reader, Start)
    if start is None:
        return
    async with AsyncExitStack() as stack:
        pool = await asyncpg.create_pool(
            start.postgres_dsn,
            min_size=0,
            max_size=CONNECTIONS * at_once(),
            timeout=5,
            command_timeout=SECONDS,
            reset=as_it_is,
            server_settings={
                "application_name": "mnemo-health-search",
                "statement_timeout": str(int(SECONDS * 1000)),
                **PLANS,
            },
        )
        stack.callback(pool.terminate)
        answers = Answers(Finder(pool, Embedders(start.nats_url, stack)), scanner(start.secret_rules))
        working: set[asyncio.Task[None]] = set()
        while (asked := await following(reader, Asked)) is not None:
            task = asyncio.create_task(_answer(answers, asked, writer))
            working.add(task)
            task.add_done_callback(working.discard)
        for task in working:
            task.cancel()


async def _answer(answers: Answers, asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(framed(await answers.answer(asked)))
    await writer.drain()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the service, which closes the socket
    logs.configure(os.environ.get("MNEMO_LOG_LEVEL", "info"))
    os.nice(NICE)
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1]))))
