-- The synthetic lines of the end-to-end check are rows like all others, and in no answer to anybody.

create or replace view conversations as
select distinct on (c.exchange_id)
       c.exchange_id, t.source, c.transcript_id, t.session_id, c.project, c.kind,
       c.prompt, c.answer, c.tools, c.started_at, c.ended_at
from exchange_copies c
join transcripts t using (transcript_id)
where c.kind is not null and t.source <> 'canary'
order by c.exchange_id, length(c.answer) desc, cardinality(c.tools) desc, c.ended_at desc nulls last,
         c.transcript_id, c.generation desc;

create or replace view coverage as
with wanted as (
    select distinct text_sha from records r
    where text_sha is not null
      and not exists (select from transcripts t where t.transcript_id = r.transcript_id and t.source = 'canary')
)
select m.model, m.name,
       (select count(*) from wanted) as texts,
       (select count(*) from wanted w
         where exists (select 1 from chunks c where c.model = m.model and c.text_sha = w.text_sha)) as embedded
from models m;
