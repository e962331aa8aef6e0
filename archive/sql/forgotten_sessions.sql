-- Tombstones, to say a `forget` again.
select transcript_id, source, session_id from forgotten
