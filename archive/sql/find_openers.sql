-- The first record of each exchange that says something.
select distinct on (r.exchange_id) r.exchange_id, r.transcript_id, r.generation, r.record_id, r.block, r.part
from records r where r.exchange_id = any($1::text[]) and r.body <> '' and r.kind not in ('injected', 'fork', 'title')
order by r.exchange_id, r.kind not in ('prompt', 'command', 'plan'), r.generation desc, r.byte_offset, r.block
