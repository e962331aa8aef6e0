"""`mnemo service` and `mnemo down`: running for good, and its end."""

from mnemostream.cli.service.command import COMMANDS as COMMANDS
