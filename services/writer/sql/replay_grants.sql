-- The grants of the schema files, for tables that moved in.
grant select, insert, update, delete on all tables in schema public to mnemo_writer;
grant select on all tables in schema public to mnemo_reader
