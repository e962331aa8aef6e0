-- Where these exchanges hold a literal best: $1 hashes of its words, $2 the literal, $3 the same as JSON escapes it, $4 kinds
-- of records (null = any), $5 exchanges, $6 the literal as a regular expression. `alone`: by itself. `depth`: 0 what was
-- said, 1 inputs of tools, 2 outputs.
with held as (
    select r.exchange_id, r.transcript_id, r.generation, r.record_id, r.block, r.part, r.byte_offset,
           case when r.kind in ('tool_call', 'subagent_call') then 1
                when r.kind in ('tool_result', 'local_output') then 2 else 0 end as depth,
           case when concat_ws(' ', r.body, r.tool_input) ~ ('(^|[^[:alnum:]_./:@-])' || $6 || '($|[^[:alnum:]_/:@-])') then 2
                when concat_ws(' ', r.body, r.tool_input) ~ ('(^|[^[:alnum:]_])' || $6 || '($|[^[:alnum:]_])') then 1
                else 0 end as alone
    from literals l join records r using (transcript_id, generation, record_id, block, part)
    where l.exchange_id = any($5::text[]) and l.terms @> $1::int[]
      and (strpos(r.body, $2) > 0 or strpos(r.tool_input, $2) > 0 or strpos(r.tool_input, $3) > 0 or r.tool = $2)
      and ($4::text[] is null or r.kind = any($4))
)
select distinct on (h.exchange_id) h.*, w.session_id
from held h join words w on w.exchange_id = h.exchange_id and w.field = 0
order by h.exchange_id, (1 - 0.1 * h.depth) * (1 + 0.4 * h.alone) desc, h.byte_offset
