-- Vectors that only forgotten transcripts brought. An owner says so in whatever order records and vectors came.
with gone as (delete from chunk_owners where transcript_id = any($1::text[]) returning model, text_sha)
delete from chunks c
using (select distinct model, text_sha from gone) g
where c.model = g.model and c.text_sha = g.text_sha
  and not exists (select from chunk_owners o
                   where o.model = c.model and o.text_sha = c.text_sha and o.transcript_id <> all($1::text[]))
