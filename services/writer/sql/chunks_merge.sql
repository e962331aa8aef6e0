-- Vectors by content. Two embedders may differ in the last bit: of one revision the smaller vector stays, in whatever
-- order they come.
insert into chunks
select distinct on (model, text_sha, chunk) * from chunks_stage
order by model, text_sha, chunk, embedding
on conflict (model, text_sha, chunk) do update
set begin_char = excluded.begin_char, stop_char = excluded.stop_char, embedding = excluded.embedding,
    revision = excluded.revision
where excluded.revision = chunks.revision and excluded.embedding < chunks.embedding
