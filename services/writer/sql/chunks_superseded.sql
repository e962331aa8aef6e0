-- Vectors of a text go when a higher revision of it has come, all of them: it may have fewer chunks.
delete from chunks c
using (select model, text_sha, max(revision) as revision from chunks_stage group by model, text_sha) s
where c.model = s.model and c.text_sha = s.text_sha and c.revision < s.revision
