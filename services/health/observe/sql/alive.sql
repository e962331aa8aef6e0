-- Answers if the database does; would it take rows of the writer, which has a default like everybody's?
select pg_is_in_recovery() as in_recovery, (select setting from pg_settings where name = 'default_transaction_read_only') = 'on' as read_only
