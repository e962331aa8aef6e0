-- Records of newer parsers, revisions, tombstones.

alter table segments add column parser int not null default 1;
alter table records add column revision int not null default 0;
alter table records add column parser int not null default 1;
alter table records drop constraint records_transcript_id_fkey;  -- a newer parser's records may come first

-- Up to where a generation was parsed anew, and by which parser: older records before that offset do not hold.
create table reparsed (
    transcript_id text   not null,
    generation    int    not null,
    parser        int    not null,
    end_offset    bigint not null,
    primary key (transcript_id, generation)
);

-- Transcripts that a person wanted gone; whatever of them still arrives is dropped.
create table forgotten (
    transcript_id text primary key,
    source        text not null,
    session_id    text not null,
    forgotten_at  timestamptz not null
);

create index chunks_text on chunks (text_sha);  -- to forget, and to count what has no vector

-- Lines of each generation by record type; damaged ones as `damaged:<how>`, unknown ones as `unknown:<type>`.
create view line_counts as
select transcript_id, generation, key as name, sum(value::bigint)::bigint as lines
from segments, jsonb_each_text(counts)
group by transcript_id, generation, key;

grant select, insert, update, delete on all tables in schema public to mnemo_writer;
grant select on all tables in schema public to mnemo_reader;
