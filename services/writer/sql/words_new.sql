-- Records whose words are not in literals yet: of one copy of an exchange, from an offset on.
select transcript_id, generation, record_id, block, part, byte_offset, kind, body, tool, tool_input, cwd, occurred_at
from records
where exchange_id = $1 and transcript_id = $2 and generation = $3 and byte_offset >= $4
order by byte_offset, block, part
