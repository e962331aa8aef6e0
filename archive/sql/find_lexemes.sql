-- The lexemes of a text, with the number of rows of `words` that hold each; one that was not counted is rare.
select l.lexeme, coalesce(c.rows, 1) as rows
from unnest(to_tsvector('english', $1)) l left join word_counts c using (lexeme) order by 1
