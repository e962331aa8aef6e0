-- Rows of a table and a sum of the hashes of all of them, in whatever order they lie.
select count(*) as rows, coalesce(sum(hashtextextended((to_jsonb(t){skipped})::text, 0)::numeric), 0) as hash
from {table} t
