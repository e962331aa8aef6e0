"""How many sessions are where, for `mnemo doctor`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from mnemostream.contracts import sources
from mnemostream.runtime.rows.opening import Busy, reading
from mnemostream.runtime.rows.sessions import sessions_of
from mnemostream.runtime.rows.tables import NO_SESSION, plan, tables_of


def sessions(source: str, paths: list[str]) -> int:
    """How many sessions some files are: a file each, or a folder each."""
    known = sources.BY_NAME.get(source)
    own = [path for path in paths if not sources.attached(path)]
    in_folders = known is not None and (known.store == "folder" or known.dialect == "cline")
    return len({os.path.dirname(path) for path in own}) if in_folders else len(own)


def in_database(source: str, file: str) -> tuple[int | None, str]:
    """The sessions of a database, and why they cannot be counted."""
    dialect = sources.BY_NAME[source].dialect
    with tempfile.TemporaryDirectory(prefix="mnemo-doctor-") as scratch:
        try:
            with reading(file, Path(scratch)) as connection:
                kind = sources.of_tables(tables_of(connection), dialect)
                if kind not in sources.DATABASES:
                    return 0, ""
                layout = plan(connection, sources.DATABASES[kind], Path(file).stem)
                one = bool(sources.DATABASES[kind].one_session)
                return (1 if one else len(sessions_of(connection, layout) - {NO_SESSION})), ""
        except Busy as error:
            return None, str(error)
