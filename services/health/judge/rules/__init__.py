"""The rules that give a component its status; docs/status.md has the table."""
