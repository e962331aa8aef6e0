"""Row logs of databases: replayed, compared with the database row for row, restored as a database."""

from mnemostream.archive.rows.replayed import Difference, Replayed

__all__ = ["Difference", "Replayed"]
