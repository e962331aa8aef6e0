-- Placeholders in the newest generations, in what they share with earlier ones, too; and transcripts that hold some.
with recursive chain as (
    select transcript_id, max(generation) as generation, 9223372036854775807 as stop from segments group by transcript_id
    union all
    select c.transcript_id, s.base_generation, least(c.stop, s.base_bytes)
    from chain c join segments s using (transcript_id, generation) where s.base_generation is not null
)
select count(*)::bigint as secrets, count(distinct s.transcript_id) as transcripts
from chain c join segments s using (transcript_id, generation) cross join lateral jsonb_array_elements(s.replaced) r
where s.replaced <> '[]' and (r ->> 0)::bigint < c.stop
