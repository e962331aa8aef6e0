-- In how many rows each lexeme stands; those that stand in one only are left out.
with stat as materialized (select word, ndoc from ts_stat('select terms from words') where ndoc > 1 and length(word) < 500),
gone as (delete from word_counts c where not exists (select from stat where stat.word = c.lexeme)),
totals as (
    insert into word_totals (field, rows, len)
    select field, count(*), avg(len) from words group by field
    on conflict (field) do update set rows = excluded.rows, len = excluded.len)
insert into word_counts (lexeme, rows) select word, ndoc from stat
on conflict (lexeme) do update set rows = excluded.rows where word_counts.rows <> excluded.rows
