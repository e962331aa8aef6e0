-- How many records each of these transcripts has: $1 their IDs.
select transcript_id, count(*) as records from records where transcript_id = any($1::text[]) group by transcript_id
