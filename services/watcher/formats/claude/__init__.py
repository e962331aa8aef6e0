"""Claude Code: lines (`code`), those of role user (`user`), replies inside tool results (`replies`), what is remembered
from line to line (`memory`)."""

from mnemostream.services.watcher.formats.claude.code import ClaudeCode

__all__ = ["ClaudeCode"]
