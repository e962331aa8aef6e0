-- Models, as they appear.
insert into models (model, name, dimensions)
select * from unnest($1::text[], $2::text[], $3::int[])
on conflict do nothing
