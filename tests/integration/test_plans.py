"""What statements cost on tables that were not analysed yet, as they are during a first import."""

from __future__ import annotations

import asyncpg

from mnemostream.services.writer import queries

TRANSCRIPTS = """insert into transcripts (transcript_id, source, host, root, path, session_id, subagent)
select t::text, 's', 'h', '/r', t::text, t::text, false from generate_series(1, 200) t"""
OURS = {
    "transcript_id": "(n % 200 + 1)::text",
    "byte_offset": "n",
    "kind": "'prompt'",
    "record_id": "n::text",
    "exchange_id": "n::text",
    "copy_key": "n::text",
}
PLAIN = {"integer": "0", "bigint": "0", "smallint": "0", "text": "''", "boolean": "false", "bytea": "''::bytea"}


async def test_copies_are_looked_up_one_by_one_and_not_by_reading_all_exchanges(database: str) -> None:
    """Seen on 164 MB: 2.6 s for every 24 exchanges, two minutes until all were found by their words."""
    connection = await asyncpg.connect(database)
    try:
        await connection.execute("alter table records set (autovacuum_enabled = off)")
        columns = await connection.fetch(
            "select column_name as name, data_type as kind from information_schema.columns"
            " where table_name = 'records' and is_nullable = 'NO' and column_default is null and is_generated = 'NEVER'"
        )
        needed = {row["name"]: PLAIN.get(row["kind"], "'{}'") for row in columns} | OURS
        names, values = ", ".join(needed), ", ".join(needed.values())
        await connection.execute(TRANSCRIPTS)
        await connection.execute(f"insert into records ({names}) select {values} from generate_series(1, 3000) n")
        plan = await connection.fetch(f"explain verbose {queries.read('words_hidden')}", [str(n) for n in range(24)])
    finally:
        await connection.close()
    assert "hashed" not in "\n".join(row[0] for row in plan)
