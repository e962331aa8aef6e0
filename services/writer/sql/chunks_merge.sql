-- Vectors by content; those of a text that is known stay.
insert into chunks select * from chunks_stage on conflict do nothing
