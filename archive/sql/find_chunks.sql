-- One record of an exchange with this text: $1 exchanges, $2 texts, side by side.
select distinct on (p.exchange_id) p.exchange_id, r.transcript_id, r.generation, r.record_id, r.block, r.part
from unnest($1::text[], $2::bytea[]) as p (exchange_id, text_sha)
join records r on r.text_sha = p.text_sha and r.exchange_id = p.exchange_id
order by p.exchange_id, r.generation desc, r.byte_offset
