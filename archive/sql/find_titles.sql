-- Sessions with this title, and the exchange that they begin with: $1 the title.
with {allowed} named as materialized (
    select distinct t.source, t.session_id from records r join transcripts t using (transcript_id)
    where r.kind = 'title' and lower(left(r.body, 200)) = lower(left($1, 200))
)
select distinct on (w.session_id) w.exchange_id, w.session_id
from named n join words w on w.source = n.source and w.session_id = n.session_id and w.field = 3
where w.{among}
order by w.session_id, w.started_at
