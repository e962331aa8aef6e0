-- The newest exchanges, those of sub-agents left out: $1 how many, $2 after how many; `total` counts all, if $3. Texts
-- shortened, the full ones are in the view. Openers are read in the order of their index, and no further than is asked for:
-- each exchange once, by the last of its copies.
with newest as (
    select r.exchange_id, r.occurred_at as at
    from records r join transcripts t using (transcript_id)
    where (r.kind in ('prompt', 'command', 'plan') or r.copy_key is not null) and r.exchange_id is not null
      and t.source <> 'canary' and not t.subagent
      and not exists (
          select from records o join transcripts u using (transcript_id)
          where o.exchange_id = r.exchange_id and (o.kind in ('prompt', 'command', 'plan') or o.copy_key is not null)
            and u.source <> 'canary' and not u.subagent
            and (coalesce(o.occurred_at, '-infinity'), o.transcript_id, o.generation, o.record_id, o.block, o.part)
              > (coalesce(r.occurred_at, '-infinity'), r.transcript_id, r.generation, r.record_id, r.block, r.part))
    order by r.occurred_at desc nulls last, r.exchange_id limit $1 offset $2
)
select c.exchange_id, c.source, c.transcript_id, c.session_id, c.project, c.kind,
       left(c.prompt, 2000) as prompt, left(c.answer, 2000) as answer,
       c.tools[:100] as tools, c.started_at, c.ended_at,
       (select count(distinct r.exchange_id) from records r join transcripts t using (transcript_id)
        where $3 and (r.kind in ('prompt', 'command', 'plan') or r.copy_key is not null)
          and t.source <> 'canary' and not t.subagent) as total
from newest n
cross join lateral (  -- `offset 0`: by the index of exchanges, one at a time, never the whole view
    select * from exchanges v where v.exchange_id = n.exchange_id offset 0
) c
order by n.at desc nulls last, c.exchange_id
