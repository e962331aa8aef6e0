-- Transcripts whose tombstone has not been applied yet.
select n from unnest($1::text[]) as n
where exists (select from transcripts where transcript_id = n)
   or not exists (select from forgotten where transcript_id = n)
