-- Marks as they were seen; one that was set again meanwhile stays.
delete from unindexed u
using unnest($1::text[], $2::text[], $3::int[], $4::text[]) as d (e, t, g, m)
where u.exchange_id = d.e and u.transcript_id = d.t and u.generation = d.g and u.marked_at = d.m::timestamptz
