-- By $2 (hour or day, UTC), of the last $1 days: exchanges by when they were asked, segments and bytes by when they
-- were saved.
with asked as (
    select date_trunc($2, min(r.occurred_at), 'UTC') as start
    from records r join transcripts t using (transcript_id)
    where r.kind in ('prompt', 'command', 'plan') and t.source <> 'canary'
      and r.occurred_at > now() - make_interval(days => $1)
    group by r.exchange_id
), saved as (
    select date_trunc($2, captured_at, 'UTC') as start, count(*) as segments,
           sum(end_offset - start_offset)::bigint as bytes
    from segments s join transcripts t using (transcript_id)
    where s.captured_at > now() - make_interval(days => $1) and t.source <> 'canary'
    group by 1
), counted as (
    select start, count(*) as conversations from asked group by start
)
select start, coalesce(conversations, 0) as conversations, coalesce(segments, 0) as segments, coalesce(bytes, 0) as bytes
from counted full join saved using (start) order by start
