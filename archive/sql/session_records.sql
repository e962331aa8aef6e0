-- The records of one transcript in their order: of its newest generation, and of words and tools only.
select exchange_id, kind, role, body as text, tool, tool_input, occurred_at
from records
where transcript_id = $1 and generation = (select max(generation) from segments where transcript_id = $1)
  and kind not in ('injected', 'fork', 'title', 'queued')
order by byte_offset, block, part
