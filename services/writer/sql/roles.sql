-- Roles that may log in and nothing more; their grants stand in the schema.
do $$
begin
    if not exists (select from pg_roles where rolname = 'mnemo_writer') then create role mnemo_writer login; end if;
    if not exists (select from pg_roles where rolname = 'mnemo_reader') then create role mnemo_reader login; end if;
end $$
