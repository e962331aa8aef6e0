-- Whose an exchange is: the main transcript with most of its records before those of sub-agents; the prompt before it
-- there; titles of all sessions that begin with it. A title that is given for another session's record is none of it.
with copies as (
    select r.exchange_id, r.transcript_id, r.generation, t.source, t.session_id, t.subagent, count(*) as records,
           min(r.byte_offset) as began
    from records r join transcripts t using (transcript_id)
    where r.exchange_id = any($1::text[]) and t.source <> 'canary'
    group by 1, 2, 3, 4, 5, 6
), placed as (
    select c.*, (select left(p.body, 20000) from records p
                 where p.transcript_id = c.transcript_id and p.generation = c.generation
                   and p.kind in ('prompt', 'command', 'plan') and p.byte_offset < c.began
                   and p.exchange_id <> c.exchange_id
                 order by p.byte_offset desc limit 1) as before
    from copies c
), titled as (
    select distinct p.exchange_id, p.session_id, r.body, r.byte_offset
    from placed p join records r on r.transcript_id = p.transcript_id and r.kind = 'title'
    where p.before is null and not p.subagent
      and (r.tool = '' or exists (select from records leaf where leaf.transcript_id = r.transcript_id
                                    and leaf.generation = r.generation and leaf.record_id = r.tool))
)
select distinct on (p.exchange_id) p.exchange_id, p.source, p.session_id, p.transcript_id, coalesce(p.before, '') as before,
       (select json_agg(json_build_array(t.session_id, t.body) order by t.session_id, t.byte_offset)
        from titled t where t.exchange_id = p.exchange_id)::text as titles
from placed p
order by p.exchange_id, p.subagent, p.records desc, p.generation desc, p.transcript_id
