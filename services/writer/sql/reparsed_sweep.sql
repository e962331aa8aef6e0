-- Removes what a newer parser has replaced.
delete from records r
using reparsed p
where p.transcript_id = any($1) and r.transcript_id = p.transcript_id and r.generation = p.generation
  and r.parser < p.parser and r.byte_offset < p.end_offset
