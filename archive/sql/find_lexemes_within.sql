-- The lexemes of a text, with the number of rows that hold each, among those that pass the filters, and by field what those
-- rows are: counts and average lengths as arrays. $1 the text, $2 most rows: where there are more, there is no answer.
with {allowed} few as materialized (
    select w.field, w.len, setweight(w.terms, 'A', '{}'::text[]) as terms from words w where w.{among} limit $2 + 1
), fields as (
    select array_agg(coalesce(s.rows, 0) order by f) as rows, array_agg(coalesce(s.len, 1) order by f) as len
    from generate_series(0, 3) f left join (select field, count(*) as rows, avg(len) as len from few group by 1) s on s.field = f
)
select l.lexeme, fields.rows as totals, fields.len::float8[] as average,
       (select count(*) from few where terms @@ ('''' || replace(replace(l.lexeme, '\', '\\'), '''', '''''') || '''')::tsquery) as rows
from fields, unnest(to_tsvector('english', $1)) l
where (select count(*) from few) <= $2 order by 1
