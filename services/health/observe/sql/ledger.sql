-- By source: bytes of the newest generations that segments cover, holes left out; texts, and those with a vector
-- of the model in use.
with newest as (
    select transcript_id, max(generation) as generation from segments group by transcript_id
), spans as (
    select s.transcript_id, s.start_offset, s.end_offset, coalesce(s.base_bytes, 0) as shared,
           coalesce(max(s.end_offset) over (partition by s.transcript_id order by s.start_offset, s.end_offset
               rows between unbounded preceding and 1 preceding), 0) as reached
    from segments s join newest using (transcript_id, generation)
), stored as (
    select t.source, sum(shared + greatest(0, end_offset - greatest(start_offset, reached)))::bigint as stored_bytes,
           count(distinct transcript_id) as transcripts
    from spans join transcripts t using (transcript_id) where t.source <> 'canary' group by t.source
), used as (
    select model from coverage order by embedded desc limit 1
), texts as (
    select distinct t.source, r.text_sha
    from records r join transcripts t using (transcript_id)
    where r.text_sha is not null and t.source <> 'canary'
), embedded as (
    select source, count(*) as texts, count(*) filter (where exists (
        select from chunks c join used using (model) where c.text_sha = texts.text_sha)) as embedded
    from texts group by source
)
select source, coalesce(transcripts, 0) as transcripts, coalesce(stored_bytes, 0) as stored_bytes,
       coalesce(texts, 0) as texts, coalesce(embedded, 0) as embedded
from stored full join embedded using (source)
order by source
