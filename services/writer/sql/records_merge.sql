-- A record that occurs twice in a generation counts where it stands first, in whatever order the batches come.
insert into records
select distinct on (transcript_id, generation, record_id, block, part) *
from records_stage
order by transcript_id, generation, record_id, block, part, byte_offset
on conflict (transcript_id, generation, record_id, block, part) do update
set byte_offset = excluded.byte_offset, kind = excluded.kind, role = excluded.role,
    exchange_id = excluded.exchange_id, occurred_at = excluded.occurred_at, cwd = excluded.cwd,
    body = excluded.body, text_sha = excluded.text_sha, tool = excluded.tool, tool_input = excluded.tool_input
where excluded.byte_offset < records.byte_offset
