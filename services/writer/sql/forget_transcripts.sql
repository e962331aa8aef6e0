-- Rows of forgotten transcripts.
delete from transcripts where transcript_id = any($1::text[])
