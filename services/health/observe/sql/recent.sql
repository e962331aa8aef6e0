-- The newest exchanges, those of sub-agents left out: $1 how many, $2 after how many; `total` counts all. Texts shortened,
-- the full ones are in the view.
with newest as (
    select r.exchange_id, max(r.occurred_at) as at, count(*) over () as total
    from records r join transcripts t using (transcript_id)
    where (r.kind in ('prompt', 'command', 'plan') or r.copy_key is not null) and r.exchange_id is not null
      and t.source <> 'canary' and not t.subagent
    group by r.exchange_id
    order by at desc nulls last, r.exchange_id limit $1 offset $2
)
select c.exchange_id, c.source, c.transcript_id, c.session_id, c.project, c.kind,
       left(c.prompt, 2000) as prompt, left(c.answer, 2000) as answer,
       c.tools[:100] as tools, c.started_at, c.ended_at, n.total
from newest n
cross join lateral (  -- `offset 0`: by the index of exchanges, one at a time, never the whole view
    select * from exchanges v where v.exchange_id = n.exchange_id offset 0
) c
order by n.at desc nulls last, c.exchange_id
