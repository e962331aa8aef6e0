-- What a hit tells of its session: $1 exchanges, $2 sessions, side by side. The title is a person's, else a program's.
select k.exchange_id, k.session_id, w.source, w.project, w.started_at,
       (select r.body from transcripts t join records r using (transcript_id)
        where t.source = w.source and t.session_id = k.session_id and r.kind = 'title'
          and (r.tool = '' or exists (select from records leaf where leaf.transcript_id = r.transcript_id
                                        and leaf.generation = r.generation and leaf.record_id = r.tool))
        order by r.role = 'custom-title' desc, r.byte_offset desc limit 1) as title,
       (select left(p.body, 2000) from transcripts t join records p using (transcript_id)
        where t.source = w.source and t.session_id = k.session_id and not t.subagent
          and p.kind in ('prompt', 'command', 'plan')
        order by p.generation desc, p.byte_offset limit 1) as first_prompt
from unnest($1::text[], $2::text[]) as k (exchange_id, session_id)
join words w on w.exchange_id = k.exchange_id and w.field = 0
