-- Where in a session an exchange begins: $1 session, $2 exchange.
with main as (
    select t.transcript_id, (select max(s.generation) from segments s where s.transcript_id = t.transcript_id) as generation
    from transcripts t where t.session_id = $1 and t.source not in ('canary', 'attachment')
    order by t.subagent, t.transcript_id limit 1
), listed as (
    select r.exchange_id, row_number() over (order by r.byte_offset, r.block, r.part) - 1 as position
    from records r join main using (transcript_id, generation)
    where r.kind not in ('injected', 'fork', 'title', 'queued')
)
select min(position) from listed where exchange_id = $2
