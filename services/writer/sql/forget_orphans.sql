-- Vectors that nobody owns and no record has: an earlier version left them.
delete from chunks c
where not exists (select from chunk_owners o where o.model = c.model and o.text_sha = c.text_sha)
  and not exists (select from records r where r.text_sha = c.text_sha)
