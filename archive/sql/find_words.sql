-- Exchanges by words: sum of idf times saturated term frequency, over the length of the field; and for each of its rows the
-- field and what each lexeme gives. $1 lexemes as tsqueries, $2 their idf, $3 any of those that make candidates, $4 average
-- lengths, $5 weights of fields, $6 of labels D to A. What each gives stands in the order of $1: a list that is read as it is.
with {allowed} q as materialized (
    select t::tsquery as term, idf from unnest($1::text[], $2::float8[]) as u (t, idf)
), scored as (
    select w.exchange_id, w.session_id, w.field,
           ($5::float8[])[w.field + 1] * s.score / (0.6 + 0.4 * w.len / ($4::float8[])[w.field + 1]) as score, s.parts
    from words w
    cross join lateral (  -- a copy in memory: read once, not for each lexeme
        select setweight(w.terms, 'A', '{}'::text[]) as terms offset 0) once
    cross join lateral (
        select sum(idf * part) as score, array_agg(part) as parts
        from (select q.idf, ts_rank($6::float4[], once.terms, q.term) as part from q offset 0) each) s
    where w.terms @@ $3::tsquery and {among}
)
select exchange_id, session_id, sum(score) as score, array_agg(parts) as parts, array_agg(field) as fields from scored
group by 1, 2 having sum(score) > 0 order by 3 desc limit 200
