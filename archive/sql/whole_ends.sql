-- How far the newest generation of each transcript is stored; -1 where a generation has a hole.
with joined as (
    select transcript_id, generation, start_offset, end_offset,
           max(end_offset) over (partition by transcript_id, generation order by start_offset
                                 rows between unbounded preceding and 1 preceding) as before
    from segments)
select transcript_id, max(generation) as generation,
       case when bool_or(start_offset > coalesce(before, 0)) then -1
            else (array_agg(reached order by generation desc))[1] end as reached
from (select *, max(end_offset) over (partition by transcript_id, generation) as reached from joined) g
group by transcript_id
