"""Commands that look into the archive."""

from mnemostream.cli.find.search import search_command
from mnemostream.cli.find.secrets import secrets_command
from mnemostream.cli.find.sessions import resume_command, sessions_command
from mnemostream.cli.find.show import export_command, show_command

COMMANDS = (search_command, sessions_command, show_command, export_command, resume_command, secrets_command)
