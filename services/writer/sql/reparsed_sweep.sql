-- Removes what a newer parser has replaced; exchanges that lose records are indexed again.
with gone as (
    delete from records r
    using reparsed p
    where p.transcript_id = any($1) and r.transcript_id = p.transcript_id and r.generation = p.generation
      and r.parser < p.parser and r.byte_offset < p.end_offset
    returning r.exchange_id, r.transcript_id, r.generation
)
insert into unindexed (exchange_id, transcript_id, generation, from_offset, live)
select distinct exchange_id, transcript_id, generation, 0, false from gone where exchange_id is not null order by 1, 2, 3
on conflict (exchange_id, transcript_id, generation) do update set from_offset = 0, marked_at = clock_timestamp()
