-- Placeholders in the newest generations, and transcripts that hold some.
select coalesce(sum(jsonb_array_length(s.replaced)), 0)::bigint as secrets, count(distinct s.transcript_id) as transcripts
from segments s
where s.replaced <> '[]'
  and s.generation = (select max(generation) from segments n where n.transcript_id = s.transcript_id)
