"""The shapes of the stores that were found: of the newest files of each assistant, and of each database."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from mnemostream.cli.shapes.shape import Shape, merged, shape
from mnemostream.contracts import sources
from mnemostream.contracts.sources import Root
from mnemostream.runtime.disk import packed, projects
from mnemostream.runtime.disk.files import walk
from mnemostream.runtime.process.home import home
from mnemostream.runtime.rows.opening import Busy, is_database, reading
from mnemostream.services.watcher.formats import lines

NEWEST = 3
"""Files of each folder that are looked into."""
MOST_BYTES = 16 << 20


class Store(msgspec.Struct, frozen=True):
    """One folder or database of one assistant."""

    source: str
    store: str
    """Of the registry: log, document, folder, database, sealed."""
    endings: list[str] = []
    """How its files are named, by their endings."""
    shape: Shape = None
    """Of its lines or documents; of a database, by table."""
    problem: str = ""


def stores(found: Iterable[tuple[str, str]]) -> Iterator[Store]:
    """The stores of assistants at places that are there."""
    for source, place in found:
        kind = sources.BY_NAME[source].store if source in sources.BY_NAME else "any"
        if is_database(place):
            yield _database(source, place)
        elif kind != "sealed":
            yield _folder(source, kind, place)


def _folder(source: str, kind: str, place: str) -> Store:
    problems: list[str] = []
    environ, person = os.environ, home()
    usual = [*sources.defaults(environ, person), *projects.roots(environ, person)]
    root = next((one for one in usual if os.path.realpath(one.folder) == place), Root(place, source))
    files = list(walk(place, root.leaves, problems, flat=root.flat))
    files.sort(key=lambda pair: pair[1].mtime_ns, reverse=True)
    shapes: list[Shape] = []
    for path, stat in files[:NEWEST]:
        if stat.size <= MOST_BYTES:
            shapes += _of_file(os.path.join(place, *path.split("/")), path)
    endings = sorted({"".join(Path(path).suffixes[-2:]) for path, _ in files[:NEWEST]})
    return Store(source, kind, endings, merged(shapes) if shapes else None, problems[0] if problems else "")


def _of_file(full: str, path: str) -> list[Shape]:
    try:
        data = Path(full).read_bytes()
        if packed.is_packed(path):
            data = b"".join(packed.unpacked([data]))
    except (OSError, packed.Damaged):
        return []
    whole = lines.read(data, document=True)
    if whole.objects:
        return [shape(obj) for _, obj in whole.objects]
    return [shape(obj) for line in data.splitlines() for _, obj in lines.read(line).objects]


def _database(source: str, place: str) -> Store:
    """Tables, columns and declared types; how many rows, and of texts that are JSON their shapes."""
    with tempfile.TemporaryDirectory(prefix="mnemo-shapes-") as scratch:
        try:
            with reading(place, Path(scratch)) as connection:
                names = [row[0] for row in connection.execute("select name from sqlite_schema where type = 'table'")]
                tables = {
                    str(name): {
                        str(column[1]): str(column[2]).lower() or "any"
                        for column in connection.execute("select * from pragma_table_info(?)", (name,))
                    }
                    for name in sorted(names)
                    if not str(name).startswith("sqlite_")
                }
        except Busy as error:
            return Store(source, "database", problem=str(error))
    return Store(source, "database", [Path(place).suffix], tables)
