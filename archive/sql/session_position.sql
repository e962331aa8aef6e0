-- Where in a session an exchange begins: $1 session, $2 exchange. In the order of session_page.sql.
with files as (
    (select t.transcript_id, t.subagent from transcripts t
     where t.session_id = $1 and t.source not in ('canary', 'attachment') and not t.subagent
     order by t.transcript_id limit 1)
    union all
    select t.transcript_id, t.subagent from transcripts t
    where t.session_id = $1 and t.source not in ('canary', 'attachment') and t.subagent
), newest as (
    select f.*, (select max(s.generation) from segments s where s.transcript_id = f.transcript_id) as generation from files f
), listed as (
    select r.exchange_id,
           row_number() over (order by n.subagent, r.transcript_id, r.byte_offset, r.block, r.part) - 1 as position
    from newest n join entries r using (transcript_id, generation)
)
select min(position) from listed where exchange_id = $2
