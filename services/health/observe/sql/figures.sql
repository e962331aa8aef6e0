-- Everything that /stats counts; the canary does not.
with kept as (select transcript_id from transcripts where source <> 'canary'),
rows as (select r.kind, r.exchange_id, r.text_sha, r.occurred_at from records r join kept using (transcript_id)),
wanted as (select distinct text_sha from rows where text_sha is not null)
select (select count(*) from kept) as transcripts,
       (select count(*) from segments join kept using (transcript_id)) as segments,
       (select coalesce(sum(end_offset - start_offset), 0)::bigint from segments join kept using (transcript_id))
           as stored_bytes,
       (select count(*) from rows) as records,
       (select count(distinct exchange_id) from rows where kind in ('prompt', 'command', 'plan')) as conversations,
       (select count(*) from wanted) as texts,
       (select count(*) from chunks c where exists (select from wanted w where w.text_sha = c.text_sha)) as chunks,
       (select max(occurred_at) from rows) as newest
