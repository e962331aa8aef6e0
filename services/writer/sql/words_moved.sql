-- Exchanges that lose records to others because a newer parser sees it so: they are indexed again.
insert into unindexed (exchange_id, transcript_id, generation, from_offset, live)
select distinct r.exchange_id, r.transcript_id, r.generation, 0, false
from records_stage s join records r using (transcript_id, generation, record_id, block, part)
where r.exchange_id is not null and r.exchange_id is distinct from s.exchange_id order by 1, 2, 3
on conflict (exchange_id, transcript_id, generation) do update set from_offset = 0, marked_at = clock_timestamp()
