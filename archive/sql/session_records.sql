-- The records of transcripts, one file after the other, each in its order: $1 their IDs. Of the newest generations, and of
-- words and tools only.
select r.exchange_id, r.kind, r.role, r.body as text, r.tool, r.tool_input, r.occurred_at, r.transcript_id
from unnest($1::text[]) with ordinality as f (transcript_id, n)
join lateral (select n.generation from newest_records n where n.transcript_id = f.transcript_id) g on true
join entries r on r.transcript_id = f.transcript_id and r.generation = g.generation
order by f.n, r.byte_offset, r.block, r.part
