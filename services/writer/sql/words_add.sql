-- Rows of words.
insert into words (exchange_id, session_id, field, source, transcript_id, project, started_at, ended_at, terms, len)
select e, s, f, o, t, p, b, n, v.terms, (select coalesce(sum(cardinality(l.positions)), 0) from unnest(v.terms) l)
from unnest($1::text[], $2::text[], $3::smallint[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
            $8::timestamptz[], $9::text[], $10::text[], $11::text[]) as r (e, s, f, o, t, p, b, n, a, w, d)
cross join lateral (
    select setweight(to_tsvector('english', a), 'A') || setweight(to_tsvector('english', w), 'B')
           || setweight(to_tsvector('english', d), 'D') as terms offset 0) v
on conflict (exchange_id, session_id, field) do update
set source = excluded.source, transcript_id = excluded.transcript_id, project = excluded.project,
    started_at = excluded.started_at, ended_at = excluded.ended_at, terms = excluded.terms, len = excluded.len
