-- All records of these exchanges, of the newest generations first. $1 exchanges.
select r.exchange_id, r.transcript_id, r.generation, r.record_id, r.block, r.part, r.byte_offset, r.kind,
       case when r.kind in ('tool_result', 'local_output') then '' else r.body end as body,
       r.tool, r.tool_input, r.cwd, r.occurred_at
from records r join transcripts t using (transcript_id)
where r.exchange_id = any($1::text[]) and t.source <> 'canary'
order by r.exchange_id, r.generation desc, r.transcript_id, r.byte_offset, r.block, r.part
