-- Segments of one transcript in their order, all generations.
select generation, start_offset, end_offset, data, sha256, replaced, kept_sha256, base_generation, base_bytes, base_sha256,
       captured_at
from segments
where transcript_id = $1 order by generation, start_offset
