"""The texts that a service manager reads: a unit of systemd, an agent of launchd. Pure.

Sources: systemd.service(5), systemd.syntax(7), systemd.exec(5); launchd.plist(5).
"""

from __future__ import annotations

import plistlib
from collections.abc import Mapping, Sequence

NAME = "mnemostream"
LABEL = "io.mnemostream.up"

UNIT = """\
# Written by `mnemo service install`; `mnemo service uninstall` removes it.
[Unit]
Description=Mnemostream: saves what AI coding assistants write
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
EnvironmentFile=-{environment}
Restart=on-failure
RestartSec=5
RestartPreventExitStatus=64
TimeoutStartSec=900
TimeoutStopSec=60
WatchdogSec=180
KillMode=mixed

[Install]
WantedBy={target}
"""
"""A start may be recovering a database; who hangs for three minutes is started again."""


def unit(command: Sequence[str], environment: str, *, system: bool) -> str:
    """A unit of systemd, of the user's manager or of the system's."""
    return UNIT.format(
        command=" ".join(map(quoted, command)),
        environment=environment.replace("%", "%%"),  # a path as it is: no quotes, no variables
        target="multi-user.target" if system else "default.target",
    )


def quoted(word: str) -> str:
    """One argument of ExecStart.

    >>> quoted('a "b" 100% $HOME')
    '"a \\\\"b\\\\" 100%% $$HOME"'
    """
    inside = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("%", "%%").replace("$", "$$")
    return f'"{inside}"'


def environment(variables: Mapping[str, str]) -> str:
    """A file of variables, as systemd reads it.

    >>> environment({"A": 'x "y"', "B": "z"})
    'A="x \\\\"y\\\\""\\nB="z"\\n'
    """
    escaped = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in variables.items()}
    return "".join(f'{name}="{value}"\n' for name, value in sorted(escaped.items()))


def agent(command: Sequence[str], variables: Mapping[str, str], log: str) -> bytes:
    """An agent of launchd: kept alive unless it ends by itself with 0."""
    return plistlib.dumps(
        {
            "Label": LABEL,
            "ProgramArguments": list(command),
            "EnvironmentVariables": dict(variables),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 5,
            "ExitTimeOut": 60,
            "StandardErrorPath": log,
        }
    )
