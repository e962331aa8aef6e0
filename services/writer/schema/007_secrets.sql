-- Secrets by kind, and what was replaced before it was published.

alter table segments
    add column secrets jsonb,                          -- recognised in these bytes, by kind; null = nobody looked
    add column replaced jsonb not null default '[]',   -- [start, stop) of the generation that hold placeholders
    add column kept_sha256 bytea;                      -- of the content of data, where sha256 is of other bytes

alter table reparsed add column secrets jsonb;         -- in all of the generation up to end_offset

-- How many secrets of each kind the newest generation of a transcript holds.
create view secret_counts as
with newest as (
    select transcript_id, max(generation) as generation from segments group by transcript_id
), counted as (
    select s.transcript_id, s.secrets from newest n join segments s using (transcript_id, generation)
    left join reparsed p using (transcript_id, generation)
    where s.secrets <> '{}' and (p.secrets is null or s.start_offset >= p.end_offset)
    union all
    select p.transcript_id, p.secrets from newest n join reparsed p using (transcript_id, generation)
    where p.secrets <> '{}'
)
select transcript_id, key as kind, sum(value::bigint)::bigint as secrets
from counted, jsonb_each_text(secrets)
group by transcript_id, key;

grant select on all tables in schema public to mnemo_writer, mnemo_reader;
