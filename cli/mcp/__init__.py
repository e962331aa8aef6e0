"""`mnemo mcp`: assistants ask the archive themselves (Model Context Protocol)."""

from mnemostream.cli.mcp.command import mcp_group

COMMANDS = (mcp_group,)
