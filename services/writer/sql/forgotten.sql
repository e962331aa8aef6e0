-- Tombstones.
insert into forgotten (transcript_id, source, session_id, forgotten_at)
select t, s, i, a::timestamptz from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as f (t, s, i, a)
on conflict do nothing
