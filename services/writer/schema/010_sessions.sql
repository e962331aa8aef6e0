-- Sessions, one row each, and the folders in which they were: a list of them costs what it shows, not what the archive
-- holds. Triggers keep them, so that it does not matter which version of the writer stores; the views of the same name with
-- _facts are what they must be equal to.

create table sessions (
    source     text not null,
    session_id text not null,
    exchanges  int  not null,
    started_at timestamptz,
    ended_at   timestamptz,
    project    text,                  -- the folder in which it was last
    primary key (source, session_id)
);
create index sessions_latest on sessions (ended_at desc nulls last, session_id, source);
create table session_projects (
    source     text not null,
    session_id text not null,
    project    text not null,
    exchanges  int  not null,
    ended_at   timestamptz,
    primary key (source, session_id, project)
);
drop index records_openers;  -- in the order of the list of exchanges, too
create index records_openers on records (occurred_at desc nulls last, exchange_id)
    where kind in ('prompt', 'command', 'plan') or copy_key is not null;
drop index transcripts_sessions;
create index transcripts_sessions on transcripts (session_id, source);

-- An exchange that stands in two stores of the session, or twice in a file, counts once.
create view sessions_facts as
select f.source, f.session_id, o.exchanges, o.started_at, o.ended_at, o.project
from (select source, session_id, array_agg(transcript_id) as ids from transcripts
      where source not in ('canary', 'attachment') group by source, session_id) f
cross join lateral (
    select count(distinct coalesce(r.copy_key, r.exchange_id))::int as exchanges, min(r.occurred_at) as started_at,
           max(r.occurred_at) as ended_at,
           (array_agg(r.cwd order by r.occurred_at desc nulls last, r.byte_offset desc, r.transcript_id)
               filter (where r.cwd <> ''))[1] as project
    from records r where r.transcript_id = any(f.ids)
      and (r.kind in ('prompt', 'command', 'plan') or r.copy_key is not null)
) o
where o.exchanges > 0;

create view session_projects_facts as
select f.source, f.session_id, o.project, o.exchanges, o.ended_at
from (select source, session_id, array_agg(transcript_id) as ids from transcripts
      where source not in ('canary', 'attachment') group by source, session_id) f
cross join lateral (
    select r.cwd as project, count(distinct coalesce(r.copy_key, r.exchange_id))::int as exchanges,
           max(r.occurred_at) as ended_at
    from records r where r.transcript_id = any(f.ids) and r.cwd <> ''
      and (r.kind in ('prompt', 'command', 'plan') or r.copy_key is not null)
    group by r.cwd
) o
where o.exchanges > 0;

insert into sessions select source, session_id, exchanges, started_at, ended_at, project from sessions_facts;
insert into session_projects select source, session_id, project, exchanges, ended_at from session_projects_facts;

-- Counts the sessions anew in which a statement has added, changed or removed records that open an exchange, or a transcript
-- whose records came first. One transaction at a time: who waits counts in a later statement, which sees what the other has
-- stored; it is the last that most of them do.
create or replace function public.sessions_changed() returns trigger language plpgsql as $$
declare
    sources text[];
    names   text[];
begin
    if tg_table_name = 'transcripts' then
        select array_agg(k.source), array_agg(k.session_id) into sources, names from (
            select distinct c.source, c.session_id from changed c
            where exists (select from records r where r.transcript_id = c.transcript_id)) k;
    else
        select array_agg(k.source), array_agg(k.session_id) into sources, names from (
            select distinct t.source, t.session_id
            from (select distinct c.transcript_id from changed c
                  where c.kind in ('prompt', 'command', 'plan') or c.copy_key is not null) c
            join transcripts t using (transcript_id) where t.source not in ('canary', 'attachment')) k;
    end if;
    if sources is null then
        return null;
    end if;
    perform pg_advisory_xact_lock(hashtext('mnemostream.sessions'));
    with facts as materialized (
        select f.source, f.session_id, f.exchanges, f.started_at, f.ended_at, f.project
        from unnest(sources, names) as k (source, session_id) cross join lateral (
            select * from sessions_facts v where v.source = k.source and v.session_id = k.session_id offset 0) f
    ), gone as (
        delete from sessions s using unnest(sources, names) as k (source, session_id)
        where s.source = k.source and s.session_id = k.session_id and not exists (
            select from facts f where f.source = k.source and f.session_id = k.session_id)
    )
    insert into sessions (source, session_id, exchanges, started_at, ended_at, project)
    select source, session_id, exchanges, started_at, ended_at, project from facts order by 1, 2
    on conflict (source, session_id) do update
    set exchanges = excluded.exchanges, started_at = excluded.started_at, ended_at = excluded.ended_at,
        project = excluded.project
    where (sessions.exchanges, sessions.started_at, sessions.ended_at, sessions.project)
        is distinct from (excluded.exchanges, excluded.started_at, excluded.ended_at, excluded.project);
    with facts as materialized (
        select f.source, f.session_id, f.project, f.exchanges, f.ended_at
        from unnest(sources, names) as k (source, session_id) cross join lateral (
            select * from session_projects_facts v where v.source = k.source and v.session_id = k.session_id offset 0) f
    ), gone as (
        delete from session_projects s using unnest(sources, names) as k (source, session_id)
        where s.source = k.source and s.session_id = k.session_id and not exists (
            select from facts f where f.source = k.source and f.session_id = k.session_id and f.project = s.project)
    )
    insert into session_projects (source, session_id, project, exchanges, ended_at)
    select source, session_id, project, exchanges, ended_at from facts order by 1, 2, 3
    on conflict (source, session_id, project) do update
    set exchanges = excluded.exchanges, ended_at = excluded.ended_at
    where (session_projects.exchanges, session_projects.ended_at) is distinct from (excluded.exchanges, excluded.ended_at);
    return null;
end $$;
create trigger sessions_added after insert on records
    referencing new table as changed for each statement execute function public.sessions_changed();
create trigger sessions_changed_to after update on records
    referencing new table as changed for each statement execute function public.sessions_changed();
create trigger sessions_changed_from after update on records
    referencing old table as changed for each statement execute function public.sessions_changed();
create trigger sessions_removed after delete on records
    referencing old table as changed for each statement execute function public.sessions_changed();
create trigger sessions_named after insert on transcripts
    referencing new table as changed for each statement execute function public.sessions_changed();

grant select on all tables in schema public to mnemo_writer, mnemo_reader;
