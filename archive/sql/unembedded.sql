-- Texts, and those among them that the model in use has no vector for.
with wanted as (select distinct text_sha from records join transcripts using (transcript_id)
    where text_sha is not null and source <> 'canary'),
used as (select model from coverage order by embedded desc limit 1)
select (select count(*) from wanted) as texts,
       (select count(*) from wanted w where not exists (
            select 1 from chunks c join used using (model) where c.text_sha = w.text_sha)) as missing
