-- Segments of one transcript in their order, all generations.
select generation, start_offset, end_offset, data, sha256, replaced, kept_sha256 from segments
where transcript_id = $1 order by generation, start_offset
