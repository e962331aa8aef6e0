-- Rows of forgotten transcripts.
delete from reparsed where transcript_id = any($1::text[])
