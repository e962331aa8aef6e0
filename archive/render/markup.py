"""Markdown of transcripts as HTML. What stands in a transcript is hostile: no HTML of its own passes, no address that
runs a script, and nothing is loaded from elsewhere. Pure."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

MOST_CHARS = 100_000
"""Longer texts are shown as they are written: some Markdown takes time with the square of its length."""
MOST_CODE = 20_000
"""Characters of a code block that are coloured."""
SCHEMES = ("http://", "https://", "mailto:")
"""Of addresses that become links; others are shown as text."""

FORMATTER: HtmlFormatter[str] = HtmlFormatter(nowrap=True, classprefix="c-")


def html(markdown: str) -> str:
    """The text as HTML, for an element of a page that runs no script of others.

    >>> html("a *b* <script>")
    '<p>a <em>b</em> &lt;script&gt;</p>\\n'
    """
    if len(markdown) > MOST_CHARS:
        return literal(markdown)
    return str(PARSER.render(markdown))


def literal(text: str) -> str:
    """A text as it is written."""
    return f"<pre>{escape(text)}</pre>\n"


def code(text: str, language: str) -> str:
    """A block of code, coloured where its language is known."""
    try:
        lexer = get_lexer_by_name(language) if language and len(text) <= MOST_CODE else None
    except ClassNotFound:
        lexer = None
    inner = highlight(text, lexer, FORMATTER) if lexer else escape(text)
    return f'<pre class="code"><code>{inner}</code></pre>\n'


def _fence(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: MutableMapping[str, Any]
) -> str:
    words = tokens[index].info.split()
    return code(tokens[index].content, words[0].lower() if words else "")


def _image(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: MutableMapping[str, Any]
) -> str:
    """Its name and address: to load it would tell a stranger who reads what."""
    token = tokens[index]
    name = self.renderInlineAsText(token.children or [], options, env) or "image"
    return f'<span class="picture">[{escape(name)}] {escape(str(token.attrs.get("src", "")))}</span>'


def _link(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: MutableMapping[str, Any]
) -> str:
    token = tokens[index]
    if not str(token.attrs.get("href", "")).lower().startswith(SCHEMES):
        token.attrs = {"title": str(token.attrs.get("href", ""))}
    else:
        token.attrs = {"href": token.attrs["href"], "rel": "noopener noreferrer nofollow", "target": "_blank"}
    return str(self.renderToken(tokens, index, options, env))


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.add_render_rule("fence", _fence)
    parser.add_render_rule("image", _image)
    parser.add_render_rule("link_open", _link)
    return parser


PARSER = _parser()
