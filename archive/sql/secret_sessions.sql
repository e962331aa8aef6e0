-- Secrets by session and kind, most first; a session has the files of its sub-agents with it.
select t.session_id, t.source,
       (select r.cwd from records r where r.transcript_id = any(array_agg(t.transcript_id)) and r.cwd <> '' limit 1) as project,
       (select max(s.captured_at) from segments s where s.transcript_id = any(array_agg(t.transcript_id))) as captured_at,
       c.kind, sum(c.secrets)::bigint as secrets
from secret_counts c join transcripts t using (transcript_id)
where t.source <> 'canary'
group by t.session_id, t.source, c.kind
order by sum(sum(c.secrets)) over (partition by t.session_id, t.source) desc, t.session_id, 6 desc, c.kind
