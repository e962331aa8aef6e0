-- The newest generation of transcripts.
select transcript_id, max(generation) from segments where transcript_id = any($1::text[]) group by transcript_id
