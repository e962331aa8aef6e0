-- Which transcripts brought the vectors of a text. Vectors go when the last of them is forgotten: that needs no order
-- between the two streams, and no record that has arrived already.
create table chunk_owners (
    model         text  not null,
    text_sha      bytea not null,
    transcript_id text  not null,
    primary key (model, text_sha, transcript_id)
);
create index chunk_owners_transcript on chunk_owners (transcript_id);

insert into chunk_owners (model, text_sha, transcript_id)
select distinct c.model, c.text_sha, r.transcript_id
from chunks c join records r using (text_sha);

-- Samples of texts in the planner's statistics would outlive a forgotten session.
alter table records alter column body set statistics 0;
alter table records alter column tool_input set statistics 0;

grant select, insert, update, delete on all tables in schema public to mnemo_writer;
grant select on all tables in schema public to mnemo_reader;
