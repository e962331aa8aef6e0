-- Exchanges that pass the filters: $1 part of the project, $2 assistant, $3 since, $4 until, $5 tool, $6 part of a path,
-- $7 session or the start of its ID.
select w.exchange_id from words w
where w.field = 0 and ($1::text is null or strpos(lower(w.project), $1) > 0) and ($2::text is null or w.source = $2)
  and ($3::timestamptz is null or w.ended_at >= $3) and ($4::timestamptz is null or w.started_at < $4)
  and ($7::text is null or starts_with(w.session_id, $7))
  and (coalesce($5::text, $6::text) is null or exists (
       select from records r where r.exchange_id = w.exchange_id and r.kind in ('tool_call', 'subagent_call')
         and ($5::text is null or lower(r.tool) = lower($5)) and ($6::text is null or strpos(r.tool_input, $6) > 0)))
