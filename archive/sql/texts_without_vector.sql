-- Texts that the model in use has no vector for, with a transcript that has them.
with used as (select model from coverage order by embedded desc limit 1)
select distinct r.transcript_id, encode(r.text_sha, 'hex') as text_sha
from records r join transcripts t using (transcript_id)
where r.text_sha is not null and t.source <> 'canary'
  and not exists (select 1 from chunks c join used using (model) where c.text_sha = r.text_sha)
