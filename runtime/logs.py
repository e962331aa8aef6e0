"""Logs: one JSON object a line on stderr, or plain words for a terminal. Never a secret in them."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import msgspec

_CREDENTIALS = re.compile(r"(\w+://[^:/@\s]+):[^@\s]+@")


def without_password(text: str) -> str:
    """URLs in `text` with their passwords replaced by ***.

    >>> without_password("nats://writer:abc@127.0.0.1:4222")
    'nats://writer:***@127.0.0.1:4222'
    """
    return _CREDENTIALS.sub(r"\1:***@", text)


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


class JsonFormatter(logging.Formatter):
    """A log record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": without_password(record.getMessage()),
            **{k: without_password(str(v)) if isinstance(v, str) else v for k, v in _facts(record).items()},
        }
        if record.exc_info:
            line["traceback"] = without_password(self.formatException(record.exc_info))
        return msgspec.json.encode(line, enc_hook=str).decode()


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    return getattr(record, "facts", {})


def configure(level: str) -> None:
    """Sends all logs to stderr at `level`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("nats", "asyncio", "sentence_transformers", "transformers", "httpx", "watchfiles"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
