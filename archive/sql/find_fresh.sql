-- Records that are not indexed, what is being written now and the newest first: $1 most marks, $2 most characters.
with marks as materialized (
    select exchange_id, transcript_id, generation, from_offset, live, marked_at
    from unindexed order by live desc, marked_at desc limit $1
)
select * from (
    select r.exchange_id, t.source, t.session_id, r.transcript_id, r.generation, r.record_id, r.block, r.part, r.kind,
           r.body, r.tool, r.tool_input, r.cwd as project, r.cwd, r.occurred_at, r.occurred_at as started_at,
           sum(length(r.body) + length(r.tool_input)) over (
               order by m.live desc, m.marked_at desc, r.byte_offset desc, r.block, r.part) as characters
    from marks m join records r on r.exchange_id = m.exchange_id and r.transcript_id = m.transcript_id
         and r.generation = m.generation and r.byte_offset >= m.from_offset
    join transcripts t on t.transcript_id = r.transcript_id
    where t.source <> 'canary' and r.kind not in ('injected', 'fork')
) fresh where characters <= $2
