-- All archived transcripts.
select transcript_id, source, host, root, path, session_id, subagent from transcripts order by root, path
