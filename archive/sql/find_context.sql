-- Records around records: $1 transcripts, $2 generations, $3 IDs, $4 blocks, $5 parts, side by side; $6 how many on each side.
-- Texts are cut at $7 characters.
with wanted as (
    select r.transcript_id, r.generation, r.byte_offset, r.block, r.part, k.n
    from unnest($1::text[], $2::int[], $3::text[], $4::int[], $5::int[]) with ordinality
         as k (transcript_id, generation, record_id, block, part, n)
    join records r using (transcript_id, generation, record_id, block, part)
)
select w.n, c.exchange_id, c.kind, c.role, left(c.body, $7) as text, c.tool, left(c.tool_input, $7) as tool_input,
       c.occurred_at, c.transcript_id
from wanted w cross join lateral (
    (select * from entries r
     where r.transcript_id = w.transcript_id and r.generation = w.generation
       and (r.byte_offset, r.block, r.part) < (w.byte_offset, w.block, w.part)
     order by r.byte_offset desc, r.block desc, r.part desc limit $6)
    union all
    (select * from entries r
     where r.transcript_id = w.transcript_id and r.generation = w.generation
       and (r.byte_offset, r.block, r.part) >= (w.byte_offset, w.block, w.part)
     order by r.byte_offset, r.block, r.part limit $6 + 1)
) c
order by w.n, c.byte_offset, c.block, c.part
