-- Rows that are about to be made anew.
delete from words where exchange_id = any($1::text[])
