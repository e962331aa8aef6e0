-- Exchanges of these transcripts lose their words at once; those that a fork holds too are indexed again.
with gone as (
    select distinct exchange_id from records where transcript_id = any($1::text[]) and exchange_id is not null
), away as (
    delete from words where exchange_id in (select exchange_id from gone) or transcript_id = any($1::text[])
), literal as (
    delete from literals where transcript_id = any($1::text[])
), marks as (
    delete from unindexed where transcript_id = any($1::text[])
), counts as (
    delete from word_counts
), totals as (
    delete from word_totals
)
insert into unindexed (exchange_id, transcript_id, generation, from_offset, live)
select distinct r.exchange_id, r.transcript_id, r.generation, 9223372036854775807, false
from records r join gone using (exchange_id) where r.transcript_id <> all($1::text[])
order by 1, 2, 3
on conflict do nothing
