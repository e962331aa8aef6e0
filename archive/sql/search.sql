-- The nearest exchanges to a vector, each once, by its best chunk. Exact: every vector of the model is compared.
with nearest as (
    select text_sha, begin_char, stop_char, embedding <=> $1::vector as distance
    from chunks c where model = $2 and exists (
        select from records r join transcripts t using (transcript_id)
        where r.text_sha = c.text_sha and t.source <> 'canary')
    order by distance limit $3 * 16
), hits as (
    select distinct on (r.exchange_id) r.exchange_id, r.kind as hit_kind, n.distance,
           r.body, n.begin_char, n.stop_char
    from nearest n join records r using (text_sha)
    where r.exchange_id is not null
    order by r.exchange_id, n.distance
)
select h.exchange_id, 1 - h.distance as similarity, h.hit_kind, h.body, h.begin_char, h.stop_char,
       c.session_id, c.project, c.started_at, c.prompt, c.source, c.transcript_id, c.kind
from (select * from hits order by distance limit $3 * 2) h
cross join lateral (select * from exchanges v where v.exchange_id = h.exchange_id offset 0) c  -- a copy has no row
order by h.distance limit $3
