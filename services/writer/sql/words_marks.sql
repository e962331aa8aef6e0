-- The marks of these exchanges.
select u.exchange_id, u.transcript_id, u.generation, u.from_offset, u.marked_at::text as marked_at from unindexed u
where u.exchange_id = any($1::text[])
