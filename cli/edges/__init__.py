"""Edges: machines that ship their transcripts to this server, and this machine as one of another."""

from mnemostream.cli.edges.inviting import edge
from mnemostream.cli.edges.joining import join, leave

COMMANDS = (edge, join, leave)
