-- Rows of forgotten transcripts.
delete from segments where transcript_id = any($1::text[])
