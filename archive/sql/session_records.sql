-- The records of transcripts, one file after the other, each in its order: $1 their IDs. Of the newest generations, and of
-- words and tools only.
select r.exchange_id, r.kind, r.role, r.body as text, r.tool, r.tool_input, r.occurred_at, r.transcript_id
from unnest($1::text[]) with ordinality as f (transcript_id, n)
cross join lateral (select coalesce(s.lineage, s.generation) as generation from segments s
    where s.transcript_id = f.transcript_id order by s.generation desc, s.start_offset desc limit 1) g
join entries r on r.transcript_id = f.transcript_id and r.generation = g.generation
order by f.n, r.byte_offset, r.block, r.part
