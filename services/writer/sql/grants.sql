-- What the two lesser roles may do, after all grants of the schema files.
grant select, insert, update, delete on all tables in schema public to mnemo_writer;
grant select on all tables in schema public to mnemo_reader;
revoke insert, update, delete on migrations, announced_models from mnemo_writer;
revoke update on transcripts, forgotten from mnemo_writer
