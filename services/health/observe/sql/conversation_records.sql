-- The records of one exchange, of the copy that the view has chosen, in their order: from the $4th on at most $3, and no
-- more than hold $5 characters together, but one at least; `total` counts all.
with copy as (
    select generation from exchange_copies
    where exchange_id = $1 and transcript_id = $2
    order by length(answer) desc, cardinality(tools) desc, ended_at desc nulls last, generation desc limit 1
), page as (
    select kind, role, body, tool, tool_input, occurred_at, byte_offset, block, part, count(*) over () as total
    from records join copy using (generation)
    where exchange_id = $1 and transcript_id = $2
    order by byte_offset, block, part limit $3 offset $4
), summed as (
    select *, coalesce(sum(length(coalesce(body, '')) + length(tool_input)) over (order by byte_offset, block, part
        rows between unbounded preceding and 1 preceding), 0) as before
    from page
)
select kind, role, body as text, tool, tool_input, occurred_at, total
from summed where before < $5 order by byte_offset, block, part
