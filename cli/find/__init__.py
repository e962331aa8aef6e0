"""Commands that look into the archive."""

from cli.find.secrets import secrets_command

COMMANDS = (secrets_command,)
