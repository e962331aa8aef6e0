-- All archived transcripts.
select transcript_id, source, host, root, path, session_id, subagent from transcripts
where source <> 'canary' order by root, path
