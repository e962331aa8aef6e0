"""Runs a service's one-shot program and yields its lines of JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import TypeVar

import msgspec

from mnemostream.local.child import service_env
from mnemostream.runtime.process.command import python


class Failed(Exception):
    """The program ended with an error; the text is the end of its log."""


T = TypeVar("T")


async def lines(module: str, env: Mapping[str, str], kind: type[T]) -> AsyncGenerator[T, None]:
    """What `python -m <module>` writes to its standard output, line by line. Raises Failed."""
    process = await asyncio.create_subprocess_exec(
        *python(module),
        env=service_env(dict(env)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    if process.stdout is None or process.stderr is None:
        raise AssertionError("pipes were asked for")
    errors = asyncio.create_task(process.stderr.read())
    try:
        async for line in process.stdout:
            yield msgspec.json.decode(line, type=kind)
        text = (await errors).decode("utf-8", "replace").strip().splitlines()
        if await process.wait():
            raise Failed("\n".join(text[-5:]))
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
