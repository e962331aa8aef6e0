-- Names of models whose vectors are taken.
insert into announced_models select unnest($1::text[]) on conflict do nothing
