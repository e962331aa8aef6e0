-- The record of each exchange that holds the most of the query's words, by how rare they are: $1 exchanges, $2 hashes,
-- $3 idf, $4 kinds (null = any but outputs of tools).
select distinct on (l.exchange_id) l.exchange_id, l.transcript_id, l.generation, l.record_id, l.block, l.part
from literals l
cross join lateral (select sum(h.idf) as score from unnest($2::int[], $3::float8[]) as h (hash, idf)
                    where h.hash = any(l.terms)) s
join records r using (transcript_id, generation, record_id, block, part)
where l.exchange_id = any($1::text[]) and l.terms && $2::int[]
  and case when $4::text[] is null then r.kind not in ('tool_result', 'local_output') else r.kind = any($4) end
order by l.exchange_id,
         s.score * case when r.kind in ('tool_call', 'subagent_call') then 0.6 when r.kind = 'thinking' then 0.3 else 1 end desc,
         l.byte_offset, l.block, l.part
