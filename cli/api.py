"""The health API, asked by the commands: answers are the types that the server encodes (contracts/http)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec

from mnemostream.contracts.http.health import Health, Problem
from mnemostream.local import endpoints
from mnemostream.local.endpoints import Endpoints

T = TypeVar("T")

TIMEOUT = 5.0


class CannotTell(Exception):
    """The text says why."""


def running_at(folder: Path) -> Endpoints:
    """Where the system of a data folder answers. Raises CannotTell."""
    try:
        return endpoints.read(folder)
    except endpoints.NotRunning as error:
        raise CannotTell(str(error)) from error


def transport(where: Endpoints) -> httpx.HTTPTransport:
    """Over the socket in the private folder where there is one: the token is shown to nobody else."""
    return httpx.HTTPTransport(uds=where.health_socket or None)


def asking(where: Endpoints) -> httpx.AsyncClient:
    """The same for who asks again and again."""
    return httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=where.health_socket or None), timeout=TIMEOUT)


def headers(where: Endpoints) -> dict[str, str]:
    """What a request shows: the token."""
    return {"authorization": f"Bearer {where.health_token}"} if where.health_token else {}


def get(where: Endpoints, path: str, kind: type[T], **more: Any) -> T:
    """One answer of the API. Raises CannotTell, with the reason of a refusal."""
    url = f"{where.health_url}/v1/autosave/{path}"
    try:
        with httpx.Client(transport=transport(where), timeout=TIMEOUT, trust_env=False) as client:
            return decoded(client.get(url, headers=headers(where), **more), kind)
    except httpx.HTTPError as error:
        raise CannotTell("the health service does not answer (yet)") from error


def decoded(answer: httpx.Response, kind: type[T]) -> T:
    """The body of an answer. Raises CannotTell."""
    if answer.headers.get("content-type", "").startswith("application/problem+json"):
        raise CannotTell(problem(answer))
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except msgspec.DecodeError as error:
        raise CannotTell(f"unexpected answer from the health service: {error}; is it another version?") from error


def problem(answer: httpx.Response) -> str:
    """Why a request was refused."""
    try:
        body = msgspec.json.decode(answer.content, type=Problem)
    except msgspec.DecodeError:
        return f"HTTP {answer.status_code}"
    return body.detail or body.title


def health(where: Endpoints) -> Health:
    """The status of everything. Raises CannotTell, also while nothing is judged yet."""
    answer = get(where, "health", Health)
    if not answer.stages:
        raise CannotTell("the health service is starting")
    return answer
