-- Transcripts in whose newest generation nobody has looked for secrets.
select count(distinct s.transcript_id) as transcripts
from segments s left join reparsed p using (transcript_id, generation)
where s.secrets is null and (p.secrets is null or s.start_offset >= p.end_offset)
  and s.generation = (select max(generation) from segments n where n.transcript_id = s.transcript_id)
