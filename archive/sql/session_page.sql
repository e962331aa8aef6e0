-- Entries of a session in their order, from the $2th on at most $3, and no more than hold $4 characters together, but one at
-- least: of the newest generation of its main transcript. $1 session. `total` counts all.
with main as (
    select t.transcript_id, (select max(s.generation) from segments s where s.transcript_id = t.transcript_id) as generation
    from transcripts t where t.session_id = $1 and t.source not in ('canary', 'attachment')
    order by t.subagent, t.transcript_id limit 1
), listed as (
    select r.exchange_id, r.kind, r.role, r.body, r.tool, r.tool_input, r.occurred_at,
           row_number() over w - 1 as position, count(*) over () as total
    from records r join main using (transcript_id, generation)
    where r.kind not in ('injected', 'fork', 'title', 'queued')
    window w as (order by r.byte_offset, r.block, r.part)
), page as (
    select * from listed where position >= $2 order by position limit $3
), summed as (
    select *, coalesce(sum(length(body) + length(tool_input)) over (order by position
        rows between unbounded preceding and 1 preceding), 0) as before
    from page
)
select exchange_id, kind, role, body as text, tool, tool_input, occurred_at, position, total
from summed where before < $4 order by position
