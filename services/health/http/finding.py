"""The archive as the API searches and reads it: a few questions at once, so that answers about health do not wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import asyncpg
from litestar.exceptions import ServiceUnavailableException

from archive.find.answer import CannotSearch
from archive.find.finder import CONNECTIONS, LOST, PLANS, Embedders, Finder, as_it_is
from archive.find.question import Question
from contracts.http.search import Searched
from services.health.observe.store import describe
from services.health.settings import Settings

T = TypeVar("T")

AT_ONCE = 2
"""Questions that the database has at the same time; each keeps up to four connections and two cores busy."""
WAITING = 100
"""More are refused."""
SECONDS = 20.0


class Finding:
    """Asks the archive. Use `opened`."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    @property
    def database(self) -> Any:
        """For questions about sessions."""
        return self._finder.pool

    async def search(self, question: Question) -> Searched:
        """Raises ServiceUnavailableException. Secrets are masked where the answer is encoded."""
        return await self.asked(self._finder.search(question))

    async def asked(self, question: Awaitable[T]) -> T:
        """What the database answers, when it is its turn. Raises ServiceUnavailableException."""
        if self._waiting >= WAITING:
            if asyncio.iscoroutine(question):
                question.close()
            raise ServiceUnavailableException("too many searches are waiting; retry in a second")
        self._waiting += 1
        try:
            async with self._turn, asyncio.timeout(SECONDS):
                return await question
        except CannotSearch as error:
            raise ServiceUnavailableException(str(error)) from error
        except LOST as error:
            raise ServiceUnavailableException(f"the database does not answer: {describe(error)}") from error
        finally:
            self._waiting -= 1


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Finding]:
    """Connects when first asked."""
    async with AsyncExitStack() as stack:
        pool = await asyncpg.create_pool(
            settings.postgres_dsn,
            min_size=0,
            max_size=CONNECTIONS * AT_ONCE,
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
        yield Finding(Finder(pool, Embedders(settings.nats_url, stack)))
