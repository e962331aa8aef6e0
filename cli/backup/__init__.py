"""`mnemo backup` and `mnemo restore-backup`."""

from mnemostream.cli.backup.command import COMMANDS as COMMANDS
