-- Held by every transaction that adds rows: none is under way while a tombstone is applied or tables are swapped.
select pg_advisory_xact_lock_shared(hashtext('mnemostream.gate'))
