-- Exchanges by words: sum of idf times saturated term frequency, over the length of the field; and of the best of them what
-- each lexeme gives, in the field that gives most. $1 lexemes as tsqueries, $2 their idf, $3 any of those that make
-- candidates, $4 average lengths, $5 weights of fields, $6 of labels D to A.
with {allowed} q as materialized (
    select n, t::tsquery as term, idf from unnest($1::text[], $2::float8[]) with ordinality as u (t, idf, n)
), scored as (
    select w.exchange_id, w.session_id,
           ($5::float8[])[w.field + 1] * s.score / (0.6 + 0.4 * w.len / ($4::float8[])[w.field + 1]) as score
    from words w
    cross join lateral (  -- a copy in memory: read once, not for each lexeme
        select setweight(w.terms, 'A', '{}'::text[]) as terms offset 0) once
    cross join lateral (select sum(q.idf * ts_rank($6::float4[], once.terms, q.term)) as score from q) s
    where w.terms @@ $3::tsquery and {among}
), best as (
    select exchange_id, session_id, sum(score) as score from scored
    group by 1, 2 having sum(score) > 0 order by 3 desc limit 200
)
select best.*, gives.parts
from best
cross join lateral (
    select array_agg(part order by n) as parts from (
        select q.n, max(($5::float8[])[w.field + 1] * ts_rank($6::float4[], once.terms, q.term)) as part
        from words w
        cross join lateral (select setweight(w.terms, 'A', '{}'::text[]) as terms offset 0) once
        cross join q
        where w.exchange_id = best.exchange_id and w.session_id = best.session_id
        group by q.n) each) gives
order by best.score desc
