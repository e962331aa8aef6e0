"""Logs: one JSON object a line on stderr, or plain words for a terminal. Never a secret in them."""

from __future__ import annotations

import logging
import re
import sys
from collections import OrderedDict
from typing import Any

import msgspec

from mnemostream.contracts.codec import iso
from mnemostream.runtime.secrets.mask import masked
from mnemostream.runtime.secrets.scan import scanner

FOLD_AFTER = 10
"""Lines alike that are written one by one; then …"""
FOLD_SECONDS = 30.0
"""… one in so many seconds."""
MOST_LINES = 256
"""Lines that are remembered."""
_CREDENTIALS = re.compile(r"(\w://)([^\s/?#@:,]*)(:?)([^\s/?#]*)@")
"""User and password before the last @ of an address; a user alone may be a token."""
_IN_QUERY = re.compile(r"(?i)([?&](?:ssl)?(?:password|passwd|token)=)[^\s&#]+")


def without_password(text: str) -> str:
    """URLs in `text` with their passwords replaced by ***.

    >>> without_password("nats://writer:abc@127.0.0.1:4222")
    'nats://writer:***@127.0.0.1:4222'
    >>> without_password("nats://token@h, postgresql://h/db?user=u&password=secret postgresql://u:p@ss@h")
    'nats://***@h, postgresql://h/db?user=u&password=*** postgresql://u:***@h'
    """
    masked = _CREDENTIALS.sub(lambda one: f"{one[1]}{one[2] if one[3] else ''}{one[3]}***@", text)
    return _IN_QUERY.sub(r"\1***", masked)


class Log:
    """`log.info("segment stored", transcript=…, bytes=…)`: an event and its facts, on one line."""

    def __init__(self, name: str, bound: dict[str, Any] | None = None) -> None:
        self._logger = logging.getLogger(name)
        self._bound = bound or {}

    def bind(self, **facts: Any) -> Log:
        """A log that adds `facts` to each of its lines."""
        return Log(self._logger.name, {**self._bound, **facts})

    def debug(self, event: str, **facts: Any) -> None:
        self._write(logging.DEBUG, event, facts)

    def info(self, event: str, **facts: Any) -> None:
        self._write(logging.INFO, event, facts)

    def warning(self, event: str, **facts: Any) -> None:
        self._write(logging.WARNING, event, facts)

    def error(self, event: str, **facts: Any) -> None:
        self._write(logging.ERROR, event, facts)

    def exception(self, event: str, error: BaseException, **facts: Any) -> None:
        """An error with its traceback."""
        self._write(logging.ERROR, event, {"error": f"{type(error).__name__}: {error}", **facts}, error)

    def _write(self, level: int, event: str, facts: dict[str, Any], error: BaseException | None = None) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, event, extra={"facts": {**self._bound, **facts}}, exc_info=error)


def loggable(text: str) -> str:
    """Without our passwords, and without secrets of others that an error may quote."""
    return masked(without_password(text), scanner())


class JsonFormatter(logging.Formatter):
    """A log record as one JSON object, its time in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": iso(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": loggable(record.getMessage()),
            **{k: loggable(str(v)) if isinstance(v, str) else v for k, v in _facts(record).items()},
        }
        if record.exc_info:
            line["traceback"] = loggable(self.formatException(record.exc_info))
        return msgspec.json.encode(line, enc_hook=str).decode()


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    return getattr(record, "facts", {})


class Folded(logging.Filter):
    """A warning that comes again and again is written once a while, with how often it came meanwhile.

    The same line is the same logger, level and words, and the same place in the code for one with a traceback.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen: OrderedDict[tuple[Any, ...], tuple[float, int]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """False for a repetition."""
        if record.levelno < logging.WARNING:
            return True
        words = (str(record.msg)[:200], str(_facts(record).get("error", ""))[:200])
        key = (record.name, record.levelno, *words, record.pathname, record.lineno)
        began, count = self._seen.pop(key, (record.created, 0))
        if count < FOLD_AFTER:
            self._seen[key] = began, count + 1
        elif record.created - began < FOLD_SECONDS:
            self._seen[key] = began, count + 1
            return False
        else:
            self._seen[key] = record.created, FOLD_AFTER
            record.facts = {**_facts(record), "repeated": count - FOLD_AFTER}
        while len(self._seen) > MOST_LINES:
            self._seen.popitem(last=False)
        return True


def configure(level: str) -> None:
    """Sends all logs to stderr at `level`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(Folded())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of each end of a connection with TLS
    for chatty in ("nats", "sentence_transformers", "transformers", "httpx", "watchfiles"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
