-- Scores of texts by words: $1 texts, $2 lexemes as tsqueries, $3 their idf.
with q as materialized (select t::tsquery as term, idf from unnest($2::text[], $3::float8[]) as u (t, idf))
select x.n, s.score, v.len
from unnest($1::text[]) with ordinality as x (body, n)
cross join lateral (select to_tsvector('english', x.body) as terms offset 0) t
cross join lateral (select sum(q.idf * ts_rank('{1,1,1,1}', t.terms, q.term)) as score from q) s
cross join lateral (select coalesce(sum(cardinality(l.positions)), 0)::int as len from unnest(t.terms) l) v
where s.score > 0
