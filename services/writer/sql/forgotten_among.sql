-- Which of these transcripts have a tombstone?
select transcript_id from forgotten where transcript_id = any($1::text[])
