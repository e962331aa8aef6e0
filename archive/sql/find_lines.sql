-- The segment that holds each offset, and how many lines end before it: $1 transcripts, $2 generations, $3 offsets, side by
-- side. Only of transcripts that have lines.
select k.transcript_id, k.generation, k.byte_offset, s.start_offset, s.end_offset, s.data,
       (select coalesce(sum(value::bigint), 0)::bigint from segments b, jsonb_each_text(b.counts)
        where b.transcript_id = k.transcript_id and b.generation = k.generation and b.end_offset <= s.start_offset) as before
from unnest($1::text[], $2::int[], $3::bigint[]) as k (transcript_id, generation, byte_offset)
join segments s on s.transcript_id = k.transcript_id and s.generation = k.generation
     and s.start_offset <= k.byte_offset and s.end_offset > k.byte_offset
join transcripts t on t.transcript_id = k.transcript_id
where t.path like '%.jsonl' or t.path like '%.jsonl.zst'
