-- Drops from the batch what a newer parser has replaced.
delete from records_stage s
using reparsed p
where s.transcript_id = p.transcript_id and s.generation = p.generation
  and s.parser < p.parser and s.byte_offset < p.end_offset
