-- Every record of one transcript, as a digest.
select generation, record_id, block, part, byte_offset,
       decode(md5(convert_to(kind, 'UTF8') || '\x00'::bytea || convert_to(body, 'UTF8')), 'hex') as digest
from records where transcript_id = $1
