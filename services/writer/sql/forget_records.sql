-- Rows of forgotten transcripts.
delete from records where transcript_id = any($1::text[])
