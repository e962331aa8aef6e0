-- Exchanges by words: sum of idf times saturated term frequency, over the length of the field; and for each of its rows the
-- field and what each lexeme gives. $1 lexemes as tsqueries, $2 their idf, $4 average lengths, $5 weights of fields, $6 of
-- labels D to A. What each gives stands in the order of $1: a list that is read as it is.
-- Candidates hold one of $3, tsqueries whose weight is $7, the first ones first: at most $8 rows; the $9 exchanges are
-- scored that promise most. To read the lexemes of a row takes twenty times as long as to know that it holds one.
with {allowed} q as materialized (
    select t::tsquery as term, idf from unnest($1::text[], $2::float8[]) as u (t, idf)
), held as (
    select h.place, h.exchange_id, h.session_id,
           ($5::float8[])[h.field + 1] * sum(h.idf) / (0.6 + 0.4 * h.len / ($4::float8[])[h.field + 1]) as promise
    from (
        select w.*, c.idf
        from unnest($3::text[], $7::float8[]) as c (term, idf)
        cross join lateral (
            select w.ctid as place, w.exchange_id, w.session_id, w.field, w.len
            from words w where w.terms @@ c.term::tsquery and w.{among} offset 0) w
        limit $8
    ) h
    group by h.place, h.exchange_id, h.session_id, h.field, h.len
), promising as (
    select exchange_id, session_id, array_agg(place) as places from held group by 1, 2 order by sum(promise) desc limit $9
), best as (
    select unnest(places) as place from promising
), scored as (
    select w.exchange_id, w.session_id, w.field,
           ($5::float8[])[w.field + 1] * s.score / (0.6 + 0.4 * w.len / ($4::float8[])[w.field + 1]) as score, s.parts
    from best cross join lateral (select w.* from words w where w.ctid = best.place offset 0) w
    cross join lateral (  -- a copy in memory: read once, not for each lexeme
        select setweight(w.terms, 'A', '{}'::text[]) as terms offset 0) once
    cross join lateral (
        select sum(idf * part) as score, array_agg(part) as parts
        from (select q.idf, ts_rank($6::float4[], once.terms, q.term) as part from q offset 0) each) s
)
select exchange_id, session_id, sum(score) as score, array_agg(parts) as parts, array_agg(field) as fields from scored
group by 1, 2 having sum(score) > 0 order by 3 desc limit 200
