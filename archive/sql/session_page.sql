-- Entries of a session in their order, from the $2th on, or from where the exchange $5 begins, at most $3, and no more than hold $4 characters together, but one at
-- least: of the newest generation of its main transcript (where it stands in two stores, of the richer one), then of its sub-agents'. $1 session. `total` counts all.
with files as (
    (select t.transcript_id, t.subagent from transcripts t
     where t.session_id = $1 and t.source not in ('canary', 'attachment') and not t.subagent
     order by (select count(*) from records r where r.transcript_id = t.transcript_id) desc, t.transcript_id limit 1)
    union all
    select t.transcript_id, t.subagent from transcripts t
    where t.session_id = $1 and t.source not in ('canary', 'attachment') and t.subagent
), newest as (
    select f.*, (select coalesce(s.lineage, s.generation) from segments s where s.transcript_id = f.transcript_id
                order by s.generation desc, s.start_offset desc limit 1) as generation from files f
), listed as (
    select r.transcript_id, r.generation, r.record_id, r.block, r.part, r.exchange_id,
           row_number() over (order by n.subagent, r.transcript_id, r.byte_offset, r.block, r.part) - 1 as position,
           count(*) over () as total
    from newest n join entries r using (transcript_id, generation)
), start as (
    select coalesce((select min(l.position) from listed l where l.exchange_id = $5), $2::bigint) as position
), page as (
    select r.*, l.position, l.total
    from listed l join records r using (transcript_id, generation, record_id, block, part), start s
    where l.position >= s.position and l.position < s.position + $3
), summed as (
    select *, coalesce(sum(length(body) + length(tool_input)) over (order by position
        rows between unbounded preceding and 1 preceding), 0) as before
    from page
)
select exchange_id, kind, role, body as text, tool, tool_input, occurred_at, position, transcript_id, total
from summed where before < $4 order by position
