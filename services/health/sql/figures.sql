-- Everything that /stats counts.
select (select count(*) from transcripts) as transcripts,
       (select count(*) from segments) as segments,
       (select coalesce(sum(end_offset - start_offset), 0)::bigint from segments) as stored_bytes,
       (select count(*) from records) as records,
       (select count(distinct exchange_id) from records
         where kind in ('prompt', 'command', 'plan')) as conversations,
       (select count(distinct text_sha) from records where text_sha is not null) as texts,
       (select count(*) from chunks) as chunks,
       (select max(occurred_at) from records) as newest
