-- One replay at a time, and none while `mnemo forget` rewrites the tables.
select pg_advisory_lock(hashtext('mnemostream.replay'))
