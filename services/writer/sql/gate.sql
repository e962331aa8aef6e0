-- Waits until no transaction adds rows, and keeps new ones waiting; see gate_shared.
select pg_advisory_xact_lock(hashtext('mnemostream.gate'))
