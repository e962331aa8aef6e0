-- New transcripts; a known one stays as it is.
insert into transcripts (transcript_id, source, host, root, path, session_id, subagent)
select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::boolean[])
on conflict do nothing
