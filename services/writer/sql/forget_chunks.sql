-- Vectors of texts that occur in the forgotten transcripts and nowhere else.
delete from chunks c
where c.text_sha in (select text_sha from records where transcript_id = any($1::text[]) and text_sha is not null)
  and not exists (select from records r where r.text_sha = c.text_sha and r.transcript_id <> all($1::text[]))
