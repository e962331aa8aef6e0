-- The same the other way round: what comes late is dropped from the batch.
delete from chunks_stage s
using (select c.model, c.text_sha, max(c.revision) as revision
       from (select model, text_sha, revision from chunks join (select distinct model, text_sha from chunks_stage) t
             using (model, text_sha)
             union all select model, text_sha, revision from chunks_stage) c
       group by c.model, c.text_sha) newest
where s.model = newest.model and s.text_sha = newest.text_sha and s.revision < newest.revision
