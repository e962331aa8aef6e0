-- The session in which an exchange stands: $1 exchange. Its main transcript's before a copy's.
select t.session_id from records r join transcripts t using (transcript_id)
where r.exchange_id = $1 and t.source not in ('canary', 'attachment')
order by t.subagent, t.transcript_id limit 1
