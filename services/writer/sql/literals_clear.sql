-- Rows of one copy of an exchange from an offset on.
delete from literals where exchange_id = $1 and transcript_id = $2 and generation = $3 and byte_offset >= $4
