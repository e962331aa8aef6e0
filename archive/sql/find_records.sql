-- Records by their keys, side by side.
select r.transcript_id, r.generation, r.record_id, r.block, r.part, r.kind, r.role, r.body, r.tool, r.tool_input,
       r.byte_offset, r.exchange_id
from unnest($1::text[], $2::int[], $3::text[], $4::int[], $5::int[]) as k (transcript_id, generation, record_id, block, part)
join records r using (transcript_id, generation, record_id, block, part)
