-- Machines whose transcripts are here; the canary's files are on none.
select t.host, count(distinct t.transcript_id) as transcripts,
       coalesce(sum(s.end_offset - s.start_offset), 0)::bigint as bytes, max(s.captured_at) as last_at
from transcripts t left join segments s using (transcript_id)
where t.source <> 'canary' group by t.host
