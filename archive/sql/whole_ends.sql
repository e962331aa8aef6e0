-- How far the newest generation of each transcript is stored; -1 where a generation, or what it shares with an earlier
-- one, has a hole.
with joined as (
    select s.transcript_id, s.generation, s.start_offset, s.end_offset, s.base_bytes,
           max(s.end_offset) over (partition by s.transcript_id, s.generation order by s.start_offset
                                   rows between unbounded preceding and 1 preceding) as before,
           s.base_bytes > coalesce((select max(b.end_offset) from segments b
               where b.transcript_id = s.transcript_id and b.generation = s.base_generation), 0) as baseless
    from segments s)
select transcript_id, max(generation) as generation,
       case when bool_or(coalesce(baseless, false) or start_offset > coalesce(before, base_bytes, 0)) then -1
            else (array_agg(reached order by generation desc))[1] end as reached
from (select *, max(end_offset) over (partition by transcript_id, generation) as reached from joined) g
group by transcript_id
