"""The bounds that STYLE asks for: files, functions, folders, and the table in CONTRIBUTING that says where things go.

A file may be longer if it says why: a line `# long file: <reason>`.
"""

from __future__ import annotations

import ast
import re
import statistics
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import ROOT

PRODUCT = ("contracts", "runtime", "archive", "services", "local", "cli")
FILES = sorted(
    file
    for top in (*PRODUCT, "tests", "bench")
    for file in (ROOT / top).rglob("*.py")
    if "__pycache__" not in str(file)
)
OURS = [file for file in FILES if file.relative_to(ROOT).parts[0] in PRODUCT]
PAGE = sorted(
    file for file in (ROOT / "services" / "health" / "static").rglob("*.*") if file.suffix in {".js", ".css", ".html"}
)
MOST_LINES, MEDIAN_LINES = 250, 100
MOST_IN_FUNCTION, MEDIAN_IN_FUNCTION = 50, 6
MOST_MODULES = 12


def name(file: Path) -> str:
    return str(file.relative_to(ROOT))


def functions(file: Path) -> list[tuple[str, int]]:
    """Name and lines without the docstring."""
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            words = len((ast.get_docstring(node, clean=False) or "").splitlines())
            found.append((node.name, (node.end_lineno or node.lineno) - node.lineno + 1 - words))
    return found


@pytest.mark.parametrize("file", [*FILES, *PAGE], ids=name)
def test_a_file_is_short_or_says_why_not(file: Path) -> None:
    text = file.read_text()
    if not re.search(r"^# long file: \w{3,}", text, re.MULTILINE):
        assert len(text.splitlines()) <= MOST_LINES


@pytest.mark.parametrize("file", OURS, ids=name)
def test_a_function_fits_a_screen(file: Path) -> None:
    assert [found for found in functions(file) if found[1] > MOST_IN_FUNCTION] == []


def test_the_usual_file_and_function_are_small() -> None:
    lengths = [len(file.read_text().splitlines()) for file in OURS]
    assert statistics.median(length for length in lengths if length > 1) <= MEDIAN_LINES
    assert statistics.median(lines for file in OURS for _, lines in functions(file)) <= MEDIAN_IN_FUNCTION


def test_no_folder_is_crowded() -> None:
    folders = Counter(name(file.parent) for file in [*OURS, *PAGE] if file.name != "__init__.py")
    assert {folder: count for folder, count in folders.items() if count > MOST_MODULES} == {}


def test_every_module_that_claims_to_be_pure_is_linted_as_such() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    listed = next(one["source_modules"] for one in contracts if one["name"].startswith("pure modules"))
    claims = [file for file in OURS if "Pure" in (ast.get_docstring(ast.parse(file.read_text())) or "")]
    paths = {name(file).removesuffix(".py").removesuffix("/__init__") for file in claims}
    modules = {f"mnemostream.{path.replace('/', '.')}" for path in paths}
    assert len(modules) > 30
    # Those are pure by a contract of their own.
    of_contracts = {module for module in modules if module.startswith("mnemostream.contracts.")}
    assert [m for m in modules - of_contracts if not any(f"{m}.".startswith(f"{one}.") for one in listed)] == []


def test_contributing_says_where_things_go_and_they_are_there() -> None:
    table = re.findall(r"^\| [^|]+ \| (.+) \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    paths = [path for row in table for path in re.findall(r"`([\w./-]+)`", row) if "/" in path]
    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []


def _generators() -> set[str]:
    """Names of our asynchronous generators; those that are context managers close themselves."""
    names = set()
    for file in OURS:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.AsyncFunctionDef) and not node.decorator_list:
                inside = [n for n in ast.walk(node) if isinstance(n, (ast.Yield, ast.YieldFrom))]
                names |= {node.name} if inside else set()
    return names


@pytest.mark.parametrize("file", OURS, ids=name)
def test_a_generator_is_closed_where_it_is_left(file: Path) -> None:
    """`async for … in generator()` leaves it suspended, with its transaction or consumer, when the body raises; a name
    from `async with aclosing(…)` does not."""
    generators = _generators()
    assert {"read", "segments", "messages"} <= generators
    left = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.AsyncFor) and isinstance(node.iter, ast.Call):
            called = node.iter.func
            if (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")) in generators:
                left.append(node.lineno)
    assert left == []


@pytest.mark.parametrize("file", [file for file in OURS if name(file).startswith("cli/")], ids=name)
def test_the_terminal_gets_constant_words_and_worded_texts(file: Path) -> None:
    """A text that is put together by hand may hold what others wrote: markup, controls, another line."""
    for node in ast.walk(ast.parse(file.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, (ast.Attribute, ast.Name)):
            continue
        called = ast.unparse(node.func)
        if called in ("out.print", "err.print"):
            assert all(isinstance(part, (ast.Constant, ast.Name, ast.Call)) for part in node.args), ast.unparse(node)
            made = [ast.unparse(part.func) for part in node.args if isinstance(part, ast.Call)]
            assert set(made) <= {"worded", "overall", "hinted"}, ast.unparse(node)
        if called == "worded":
            assert not isinstance(node.args[0], (ast.BinOp, ast.Call)), ast.unparse(node)
        assert called not in ("print", "Text.from_markup") or name(file) == "cli/console.py", ast.unparse(node)
        if called == "click.echo" and name(file) != "cli/console.py":
            assert isinstance(node.args[0], ast.Name), ast.unparse(node)
