"""`mnemo import`: exports and sessions from elsewhere, into the archive."""

from mnemostream.cli.imports.command import COMMANDS

__all__ = ["COMMANDS"]
