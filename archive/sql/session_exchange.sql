-- Entries of one exchange of a session, and of $3 exchanges before and after it: $1 session, $2 exchange. Of the newest
-- generations; main transcripts before sub-agents'.
with files as (
    select t.transcript_id, t.subagent,
           (select coalesce(s.lineage, s.generation) from segments s where s.transcript_id = t.transcript_id
            order by s.generation desc, s.start_offset desc limit 1) as generation
    from transcripts t where t.session_id = $1 and t.source not in ('canary', 'attachment')
), home as (
    select f.transcript_id, f.generation from files f join records r using (transcript_id, generation)
    where r.exchange_id = $2 order by f.subagent, f.transcript_id limit 1
), numbered as (
    select r.exchange_id, row_number() over (order by min(r.byte_offset)) as n
    from home join records r using (transcript_id, generation) where r.exchange_id is not null group by r.exchange_id
), wanted as (
    select o.exchange_id from numbered o join numbered m on m.exchange_id = $2 where abs(o.n - m.n) <= $3
)
select r.exchange_id, r.kind, r.role, r.body as text, r.tool, r.tool_input, r.occurred_at, r.transcript_id
from files f join entries r using (transcript_id, generation) join wanted w on w.exchange_id = r.exchange_id
order by f.subagent, r.transcript_id, r.byte_offset, r.block, r.part
