-- The lexemes of a text, with the number of rows of `words` that hold each; 0 for one that was not counted.
select l.lexeme, coalesce(c.rows, 0) as rows
from unnest(to_tsvector('english', $1)) l left join word_counts c using (lexeme) order by 1
