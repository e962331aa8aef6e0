-- The records of one exchange, of the copy that the view has chosen, in their order; the first $3.
with copy as (
    select generation from exchange_copies
    where exchange_id = $1 and transcript_id = $2 and kind is not null
    order by length(answer) desc, cardinality(tools) desc, ended_at desc nulls last, generation desc limit 1
)
select kind, role, left(body, 1000000) as text, tool, tool_input, occurred_at
from records join copy using (generation)
where exchange_id = $1 and transcript_id = $2
order by byte_offset, block, part limit $3
