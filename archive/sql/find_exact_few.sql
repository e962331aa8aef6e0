-- Exchanges that hold a literal, $5 at most, looked at one after the other until so many are found: $1 hashes of its words,
-- $2 the literal, $3 the same as JSON escapes it, $4 kinds of records (null = any).
with {allowed} maybe as materialized (
    select exchange_id, transcript_id, generation, record_id, block, part from literals where terms @> $1::int[] and {among}
    limit 8000
)
select distinct on (m.exchange_id) m.exchange_id
from (select * from maybe order by exchange_id) m
cross join lateral (
    select from records r
    where (r.transcript_id, r.generation, r.record_id, r.block, r.part)
          = (m.transcript_id, m.generation, m.record_id, m.block, m.part)
      and (strpos(r.body, $2) > 0 or strpos(r.tool_input, $2) > 0 or strpos(r.tool_input, $3) > 0 or r.tool = $2)
      and ($4::text[] is null or r.kind = any($4))
    offset 0
) r
order by m.exchange_id limit $5
