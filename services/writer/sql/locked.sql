-- Keeps two writers from replacing and adding records of the same transcript at the same moment.
select transcript_id from transcripts where transcript_id = any($1::text[]) order by transcript_id for update
