-- Is everything that is stored also embedded, by the newest model in use, and indexed?
select (select coalesce(sum(stored), 0)::bigint from (
            select distinct on (transcript_id) generation, max(end_offset) as stored
            from segments join transcripts using (transcript_id)
            where source <> 'canary' group by transcript_id, generation order by transcript_id, generation desc) s) as stored_bytes,
       (select count(distinct text_sha) from records join transcripts using (transcript_id)
         where text_sha is not null and source <> 'canary') as texts,
       (select coalesce(max(embedded), 0) from coverage where $1 = '' or model = $1) as embedded,
       (select count(*) from unindexed) as unindexed,
       (select count(distinct exchange_id) from records join transcripts using (transcript_id)
         where kind in ('prompt', 'command', 'plan') and source <> 'canary') as conversations
