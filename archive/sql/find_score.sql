-- Scores of texts by words, and what each lexeme gives: $1 texts, $2 lexemes as tsqueries, $3 their idf.
with q as materialized (select n, t::tsquery as term, idf from unnest($2::text[], $3::float8[]) with ordinality as u (t, idf, n))
select x.n, s.score, s.parts, v.len
from unnest($1::text[]) with ordinality as x (body, n)
cross join lateral (select to_tsvector('english', x.body) as terms offset 0) t
cross join lateral (
    select sum(idf * part) as score, array_agg(part order by n) as parts
    from (select q.n, q.idf, ts_rank('{1,1,1,1}', t.terms, q.term) as part from q) each) s
cross join lateral (select coalesce(sum(cardinality(l.positions)), 0)::int as len from unnest(t.terms) l) v
where s.score > 0
