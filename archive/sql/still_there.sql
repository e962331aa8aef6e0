-- Transcripts whose tombstone has not been applied yet, or of which anything is left.
select n from unnest($1::text[]) as n
where not exists (select from forgotten where transcript_id = n)
   or exists (select from transcripts where transcript_id = n)
   or exists (select from segments where transcript_id = n)
   or exists (select from records where transcript_id = n)
   or exists (select from chunk_owners where transcript_id = n)
