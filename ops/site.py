"""Hook of mkdocs: README, CONTRIBUTING and CHANGELOG are pages, too, and links lead to pages or nowhere else.

A link to a file of the repository that is no page becomes its name: the site may be far from the repository.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
LINK = re.compile(r"\[([^\]\n]+)\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages that lie beside docs/."""
    for name, page in PAGES.items():
        content = LINK.sub(lambda found: _led(found, Path(".")), (ROOT / name).read_text())
        content = re.sub(r'src="docs/', 'src="', content)
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links of the pages in docs/."""
    if page.file.src_uri in PAGES.values():
        return markdown
    return LINK.sub(lambda found: _led(found, Path("docs") / Path(page.file.src_uri).parent), markdown)


def _led(found: re.Match[str], folder: Path) -> str:
    """The link as it works on the site; `folder` is that of the page in the repository."""
    text, target, anchor = found[1], found[2], found[3] or ""
    parts: list[str] = []
    for part in (*folder.parts, *Path(target).parts):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    place = "/".join(parts)
    if place in PAGES:
        return f"[{text}]({'../' * max(0, len(folder.parts) - 1)}{PAGES[place]}{anchor})"
    if parts[0] == "docs" and folder == Path("."):
        return f"[{text}]({'/'.join(parts[1:])}{anchor})"
    if parts[0] == "docs":
        return found[0]
    return text if text.startswith("`") else f"`{place}`" if text == target else f"{text} (`{place}`)"
