-- Exchanges, and how many of them are not indexed yet, or not with all that they say: a mark
-- says so. What a fork repeats has literals only.
with kept as (
    select distinct r.exchange_id from records r join transcripts t using (transcript_id)
    where r.exchange_id is not null and t.source not in ('canary', 'attachment')
)
select count(*) as exchanges,
       count(*) filter (where exists (select from unindexed u where u.exchange_id = k.exchange_id)
                           or not (exists (select from words w where w.exchange_id = k.exchange_id)
                                   or exists (select from literals l where l.exchange_id = k.exchange_id)
                                   or not exists (select from exchanges e where e.exchange_id = k.exchange_id))) as missing
from kept k
