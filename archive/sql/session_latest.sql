-- The session that was written to last in a folder: $1 folder, $2 not before.
select session_id from words where field = 0 and project = $1 and ended_at >= $2 order by ended_at desc limit 1
