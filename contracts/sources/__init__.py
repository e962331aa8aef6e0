"""Where assistants keep their transcripts: data, shared by the watcher and the person's commands.

A new assistant that writes in a known dialect is one entry in registry.toml and one sample; CONTRIBUTING.md shows it.
"""

from __future__ import annotations

from mnemostream.contracts.sources.attachments import PACKED, attached, is_output, session_of
from mnemostream.contracts.sources.registry import (
    ATTACHMENT,
    AUTO,
    BY_NAME,
    CANARY,
    CANONICAL,
    DATABASES,
    DIALECTS,
    PARSERS,
    SOURCES,
    Database,
    Source,
    Table,
    of_document,
    of_tables,
)
from mnemostream.contracts.sources.roots import DEFAULTS, ENDINGS, Root, completed, defaults, distinct, parse

__all__ = [
    "ATTACHMENT",
    "AUTO",
    "BY_NAME",
    "CANARY",
    "CANONICAL",
    "DATABASES",
    "DEFAULTS",
    "DIALECTS",
    "ENDINGS",
    "PACKED",
    "PARSERS",
    "SOURCES",
    "Database",
    "Root",
    "Source",
    "Table",
    "attached",
    "completed",
    "defaults",
    "distinct",
    "is_output",
    "of_document",
    "of_tables",
    "parse",
    "session_of",
]
