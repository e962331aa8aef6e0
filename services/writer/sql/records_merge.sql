-- Order-free, in whatever order the batches come: the newer parser holds, then the later revision, then the
-- place that stands first in the file.
insert into records
select distinct on (transcript_id, generation, record_id, block, part) *
from records_stage
order by transcript_id, generation, record_id, block, part, parser desc, revision desc, byte_offset
on conflict (transcript_id, generation, record_id, block, part) do update
set byte_offset = excluded.byte_offset, kind = excluded.kind, role = excluded.role,
    exchange_id = excluded.exchange_id, occurred_at = excluded.occurred_at, cwd = excluded.cwd,
    body = excluded.body, text_sha = excluded.text_sha, tool = excluded.tool, tool_input = excluded.tool_input,
    revision = excluded.revision, parser = excluded.parser, copy_key = excluded.copy_key
where (excluded.parser, excluded.revision, -excluded.byte_offset)
    > (records.parser, records.revision, -records.byte_offset)
