-- Rights as small as the work, vectors that can be replaced, models that somebody has announced.

-- A segment is what the log says. The writer may put the longer of two that begin alike in the place of the shorter
-- (segments.sql), and remove those of a transcript with a tombstone; the owner may do anything (replay, forget).
create or replace function public.guard_segments() returns trigger language plpgsql as $$
begin
    if pg_has_role(current_user, (select relowner from pg_class where oid = tg_relid), 'usage') then
        return case tg_op when 'DELETE' then old else new end;
    end if;
    if tg_op = 'DELETE' then
        if exists (select from public.forgotten f where f.transcript_id = old.transcript_id) then return old; end if;
        raise insufficient_privilege using message = 'segments are deleted only where there is a tombstone';
    end if;
    if (new.transcript_id, new.generation, new.start_offset)
         is not distinct from (old.transcript_id, old.generation, old.start_offset)
       and (new.end_offset > old.end_offset
            or (new.end_offset = old.end_offset and new.sha256 = old.sha256 and new.captured_at < old.captured_at))
    then return new; end if;
    raise insufficient_privilege using message = 'segments are replaced only by longer ones';
end $$;
create trigger guard_segments before update or delete on segments
    for each row execute function public.guard_segments();

-- `mnemo embed --again` makes vectors of a higher revision (Unix milliseconds of the request): the highest holds.
alter table chunks add column revision bigint not null default 0;

-- Models by name, as provisioning says them: vectors of others are not stored.
create table announced_models (name text primary key);
insert into announced_models select distinct name from public.models on conflict do nothing;

grant select on all tables in schema public to mnemo_writer, mnemo_reader;
