-- Vectors by content. Two embedders may differ in the last bit: the smaller vector stays, in whatever order they come.
insert into chunks
select distinct on (model, text_sha, chunk) * from chunks_stage
order by model, text_sha, chunk, embedding
on conflict (model, text_sha, chunk) do update
set begin_char = excluded.begin_char, stop_char = excluded.stop_char, embedding = excluded.embedding
where excluded.embedding < chunks.embedding
