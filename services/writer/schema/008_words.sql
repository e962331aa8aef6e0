-- Words: what is found without vectors. All of it is made from records by services/writer/indexing.py.

-- One row per exchange and field, and one per session's title. `field`: 0 what was said, 1 inputs of tools,
-- 2 thinking and the program's own texts, 3 the title. Weights of lexemes: A a person's words, B the assistant's,
-- D what only surrounds them (date, project, the prompt before). Field 0 is always there: it says whose exchange it is.
create table words (
    exchange_id   text     not null,
    session_id    text     not null,
    field         smallint not null,
    source        text     not null,
    transcript_id text     not null,
    project       text     not null,
    started_at    timestamptz,
    ended_at      timestamptz,
    terms         tsvector not null,
    len           int      not null,       -- positions in terms
    primary key (exchange_id, session_id, field)
);
alter table words alter column terms set statistics 0;  -- samples would outlive a forgotten session
create index words_terms on words using gin (terms) with (fastupdate = off);
create index words_session on words (session_id);
create index words_project on words (project, started_at);

-- Hashes of the words of each record: which ones may hold a text literally. The text itself decides.
create table literals (
    exchange_id   text   not null,
    transcript_id text   not null,
    generation    int    not null,
    byte_offset   bigint not null,
    record_id     text   not null,
    block         int    not null,
    part          int    not null,
    terms         int[]  not null
);
alter table literals alter column terms set statistics 0;
create index literals_terms on literals using gin (terms) with (fastupdate = off);
create index literals_exchange on literals (exchange_id);

-- In how many rows of words a lexeme stands, where it is more than one; refreshed now and then, which is enough for idf.
create table word_counts (lexeme text primary key, rows int not null);
alter table word_counts alter column lexeme set statistics 0;
create table word_totals (field smallint primary key, rows bigint not null, len float8 not null);

-- Exchanges with records that are not in the tables above yet, those at and after `from_offset`. A mark is removed only
-- as it was seen. `live`: from a short segment at the end of a file, as an assistant writes it.
create table unindexed (
    exchange_id   text   not null,
    transcript_id text   not null,
    generation    int    not null,
    from_offset   bigint not null,
    live          boolean not null,
    marked_at     timestamptz not null default clock_timestamp(),
    primary key (exchange_id, transcript_id, generation)
);
create index unindexed_next on unindexed (live desc, marked_at desc);

create index records_prompts on records (transcript_id, generation, byte_offset) where kind in ('prompt', 'command', 'plan');
create index records_titles on records (transcript_id) where kind = 'title';
create index records_titled on records (lower(left(body, 200))) where kind = 'title';

insert into unindexed (exchange_id, transcript_id, generation, from_offset, live)
select exchange_id, transcript_id, generation, 0, false from records where exchange_id is not null group by 1, 2, 3;

-- Half the bytes of a vector, and the same neighbours (docs/adr/0005-exact-search.md).
alter table chunks alter column embedding type halfvec using embedding::halfvec;

-- What a person reads of a session: all but what programs put in and what is shown elsewhere. Queued words are read where
-- they never became a prompt.
create view entries as
select r.* from records r
where r.kind not in ('injected', 'fork', 'title', 'queued')
   or (r.kind = 'queued' and not exists (
       select from records s
       where s.transcript_id = r.transcript_id and s.generation = r.generation
         and s.kind in ('prompt', 'command', 'plan', 'steer') and s.body = r.body));

grant select on all tables in schema public to mnemo_writer, mnemo_reader;
