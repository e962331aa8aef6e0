-- By hour, of the last $1 days: exchanges by when they were asked, segments and bytes by when they were saved.
with asked as (
    select date_trunc('hour', min(r.occurred_at), 'UTC') as hour
    from records r join transcripts t using (transcript_id)
    where r.kind in ('prompt', 'command', 'plan') and t.source <> 'canary'
      and r.occurred_at > now() - make_interval(days => $1)
    group by r.exchange_id
), saved as (
    select date_trunc('hour', captured_at, 'UTC') as hour, count(*) as segments,
           sum(end_offset - start_offset)::bigint as bytes
    from segments s join transcripts t using (transcript_id)
    where s.captured_at > now() - make_interval(days => $1) and t.source <> 'canary'
    group by 1
), counted as (
    select hour, count(*) as conversations from asked group by hour
)
select hour, coalesce(conversations, 0) as conversations, coalesce(segments, 0) as segments, coalesce(bytes, 0) as bytes
from counted full join saved using (hour) order by hour
