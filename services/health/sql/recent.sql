-- The newest conversations; texts shortened, the full ones are in the view.
with newest as (
    select r.exchange_id, max(r.occurred_at) as at
    from records r join transcripts t using (transcript_id)
    where r.kind in ('prompt', 'command', 'plan') and r.exchange_id is not null and t.source <> 'canary'
    group by r.exchange_id
    order by at desc nulls last limit $1
)
select c.exchange_id, c.source, c.transcript_id, c.session_id, c.project, c.kind,
       left(c.prompt, 2000) as prompt, left(c.answer, 2000) as answer,
       c.tools, c.started_at, c.ended_at
from newest n join conversations c using (exchange_id)
order by n.at desc nulls last, c.exchange_id
