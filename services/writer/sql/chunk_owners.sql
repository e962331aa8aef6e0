-- Which transcripts brought these texts.
insert into chunk_owners (model, text_sha, transcript_id)
select * from unnest($1::text[], $2::bytea[], $3::text[])
on conflict do nothing
