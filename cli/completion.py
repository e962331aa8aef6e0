"""`mnemo completion`: what a shell needs to complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from mnemostream.cli.console import out

SHELLS = ("bash", "zsh", "fish")


@click.command("completion", short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that lets SHELL complete commands and options.

    \b
    bash: mnemo completion bash > ~/.local/share/bash-completion/completions/mnemo
    zsh:  mnemo completion zsh > a folder of $fpath, as _mnemo
    fish: mnemo completion fish > ~/.config/fish/completions/mnemo.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise AssertionError(f"click completes for {shell}")
    script = kind(context.find_root().command, {}, "mnemo", "_MNEMO_COMPLETE").source()
    out.print(script, markup=False, highlight=False, soft_wrap=True)


COMMANDS = (completion,)
