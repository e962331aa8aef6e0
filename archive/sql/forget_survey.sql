-- What is kept of these transcripts and would go.
with texts as (select distinct text_sha from records where transcript_id = any($1::text[]) and text_sha is not null)
select (select count(*) from segments where transcript_id = any($1::text[])) as segments,
       (select coalesce(sum(end_offset - start_offset), 0)::bigint from segments
         where transcript_id = any($1::text[])) as bytes,
       (select count(*) from records where transcript_id = any($1::text[])) as records,
       (select count(*) from texts t where not exists (select from records r
         where r.text_sha = t.text_sha and r.transcript_id <> all($1::text[]))) as vectors,
       (select count(distinct a.exchange_id) from records a
         where a.transcript_id = any($1::text[]) and exists (select from records b
            where b.exchange_id = a.exchange_id and b.transcript_id <> all($1::text[]))) as shared_exchanges
