-- The archive and the projection. Everything here can be rebuilt from the event log.
-- Deleting a source file deletes nothing here.

create extension if not exists vector;

create table transcripts (
    transcript_id text primary key,
    source        text not null,
    host          text not null,
    root          text not null,
    path          text not null,
    session_id    text not null,
    subagent      boolean not null
);

-- One row per segment; the concatenation of a generation's bytes is the file.
create table segments (
    transcript_id text   not null references transcripts,
    generation    int    not null,
    start_offset  bigint not null,
    end_offset    bigint not null,
    data          bytea  not null,             -- zstd
    sha256        bytea  not null,             -- of the file from 0 to end_offset
    captured_at   timestamptz not null,
    counts        jsonb  not null,             -- lines by record type
    primary key (transcript_id, generation, start_offset)
);
alter table segments alter column data set storage external;

-- One row per content block of a line (or part of a very long one).
create table records (
    transcript_id text   not null references transcripts,
    generation    int    not null,
    record_id     text   not null,
    block         int    not null,
    part          int    not null,
    byte_offset   bigint not null,
    kind          text   not null,
    role          text   not null,
    exchange_id   text,
    occurred_at   timestamptz,
    cwd           text   not null,
    body          text   not null,
    text_sha      bytea,                       -- set where the text is to be embedded
    tool          text   not null,
    tool_input    text   not null,
    primary key (transcript_id, generation, record_id, block, part)
);
create index records_exchange on records (exchange_id);
create index records_text on records (text_sha) where text_sha is not null;
create index records_openers on records (occurred_at desc) where kind in ('prompt', 'command', 'plan');

-- A model by its fingerprint. Vectors of different models never meet: every query names one.
create table models (
    model       text primary key,
    name        text not null,
    dimensions  int  not null,
    first_seen  timestamptz not null default now()
);

-- Vectors by content: equal texts in forks, copies and generations share them.
create table chunks (
    model      text  not null references models,
    text_sha   bytea not null,
    chunk      int   not null,
    begin_char int   not null,
    stop_char  int   not null,
    embedding  vector not null,
    primary key (model, text_sha, chunk)
);

-- Every copy of every exchange: one row per exchange, transcript and generation.
create view exchange_copies as
select r.exchange_id,
       r.transcript_id,
       r.generation,
       min(r.kind) filter (where r.record_id = r.exchange_id and r.kind in ('prompt', 'command', 'plan')) as kind,
       coalesce(string_agg(r.body, '' order by r.byte_offset, r.block, r.part)
           filter (where r.record_id = r.exchange_id and r.kind in ('prompt', 'command', 'plan')), '') as prompt,
       coalesce(substr(string_agg(case when r.part = 0 then E'\n' else '' end || r.body, ''
           order by r.byte_offset, r.block, r.part) filter (where r.kind = 'answer'), 2), '') as answer,
       coalesce(array_agg(r.tool order by r.byte_offset, r.block)
           filter (where r.kind = 'tool_call'), '{}') as tools,
       min(r.cwd) filter (where r.record_id = r.exchange_id and r.cwd <> '') as project,
       min(r.occurred_at) filter (where r.record_id = r.exchange_id) as started_at,
       max(r.occurred_at) as ended_at
from records r
where r.exchange_id is not null
group by r.exchange_id, r.transcript_id, r.generation;

-- One row per distinct exchange: the longest copy where a session was forked or a file rewritten.
create view conversations as
select distinct on (c.exchange_id)
       c.exchange_id, t.source, c.transcript_id, t.session_id, c.project, c.kind,
       c.prompt, c.answer, c.tools, c.started_at, c.ended_at
from exchange_copies c
join transcripts t using (transcript_id)
where c.kind is not null
order by c.exchange_id, length(c.answer) desc, cardinality(c.tools) desc, c.ended_at desc nulls last,
         c.transcript_id, c.generation desc;

-- How much of what is to be embedded has vectors, by model.
create view coverage as
with wanted as (select distinct text_sha from records where text_sha is not null)
select m.model, m.name,
       (select count(*) from wanted) as texts,
       (select count(*) from wanted w
         where exists (select 1 from chunks c where c.model = m.model and c.text_sha = w.text_sha)) as embedded
from models m;

grant usage on schema public to mnemo_writer, mnemo_reader;
grant select, insert, update on all tables in schema public to mnemo_writer;
grant select on all tables in schema public to mnemo_reader;
