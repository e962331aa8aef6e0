-- The folder in which the assistant worked last in a transcript.
select cwd from records where transcript_id = $1 and cwd <> '' order by occurred_at desc nulls last limit 1
