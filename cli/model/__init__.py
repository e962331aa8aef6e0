"""`mnemo model`: the engine and the model that search by meaning needs."""

from mnemostream.cli.model.command import COMMANDS as COMMANDS
from mnemostream.cli.model.command import offered as offered
