-- Marks the exchanges of a staged batch, and those whose title it brings; $1 = the batch is live.
insert into unindexed (exchange_id, transcript_id, generation, from_offset, live)
select exchange_id, transcript_id, generation, min(from_offset), $1 from (
    select exchange_id, transcript_id, generation, byte_offset as from_offset from records_stage where exchange_id is not null
    union all
    select first.exchange_id, s.transcript_id, s.generation, 9223372036854775807
    from (select distinct transcript_id, generation from records_stage where kind = 'title') s
    cross join lateral (
        select r.exchange_id from records r
        where r.transcript_id = s.transcript_id and r.generation = s.generation and r.exchange_id is not null
          and r.kind in ('prompt', 'command', 'plan')
        order by r.byte_offset limit 1) first
) marks
group by 1, 2, 3 order by 1, 2, 3
on conflict (exchange_id, transcript_id, generation) do update
set from_offset = least(unindexed.from_offset, excluded.from_offset), live = unindexed.live or excluded.live,
    marked_at = clock_timestamp()
