"""Markdown of others for the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from markdown_it.token import Token
from rich.markdown import Markdown

from mnemostream.cli.console import UNSEEN, Lines, plain


class Formatted(Markdown):
    """A text of others, rendered, with secrets masked. What steers a terminal is taken out before the text is parsed,
    and after: `&#8238;` becomes such a character only then. Addresses are shown, never hidden behind a name."""

    def __init__(self, text: str) -> None:
        super().__init__(plain(Lines(text)), hyperlinks=False, code_theme="ansi_dark", justify="left")
        _clean(self.parsed)


def _clean(tokens: Iterable[Token]) -> None:
    for token in tokens:
        token.content = UNSEEN.sub("\ufffd", token.content)
        token.attrs = {name: UNSEEN.sub("\ufffd", str(value)) for name, value in token.attrs.items()}
        _clean(token.children or ())
