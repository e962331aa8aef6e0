"""The exception tree; three families because there are three reactions.

    MnemoError
    ├── Transient       wait and try again: the bus or the database is away
    │   ├── NoSpace     the stream is full (error 10077): pause, the file is still there
    │   └── TooSlow     the work did not end in its time limit: the same in smaller pieces
    ├── Permanent       this message can never be processed: dead letter
    └── Misconfigured   a person must act: the process ends with exit code 78 and says what to do

Anything else is a bug and ends the process with its traceback; the supervisor starts it again.
"""

from __future__ import annotations


class MnemoError(Exception):
    """Root of all our errors."""


class Transient(MnemoError):
    """May succeed later, unchanged."""


class NoSpace(Transient):
    """The stream has reached `max_bytes`, or the server its disk."""


class TooSlow(Transient):
    """A time limit of the work was reached: fewer messages at once may fit into it."""


class Permanent(MnemoError):
    """Will never succeed for this input."""


class Misconfigured(MnemoError):
    """Settings, wiring or installation are wrong; the text says what to do next."""
