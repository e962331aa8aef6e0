"""What `--help` says at its end: examples of each command, and exit codes."""

from mnemostream.cli.manual.epilogue import told as told
