-- Generations of documents that share their beginning with an earlier one, and their records with it.

alter table segments
    add column base_generation int,   -- on the first segment of a generation: where the bytes before it are
    add column base_bytes bigint,
    add column base_sha256 bytea,     -- of these bytes, as the assistant wrote them
    add column lineage int;           -- generation whose records these are added to; null = its own

alter table reparsed add column of_generation int;   -- whose bytes were read, where `generation` is that of the records

-- How many secrets of each kind the newest generation of a transcript holds.
create or replace view secret_counts as
with newest as (
    select transcript_id, max(generation) as generation from segments group by transcript_id
), reparsed_bytes as (
    select transcript_id, coalesce(of_generation, generation) as generation, end_offset, secrets from reparsed
), counted as (
    select s.transcript_id, s.secrets from newest n join segments s using (transcript_id, generation)
    left join reparsed_bytes p using (transcript_id, generation)
    where s.secrets <> '{}' and (p.secrets is null or s.start_offset >= p.end_offset)
    union all
    select p.transcript_id, p.secrets from newest n join reparsed_bytes p using (transcript_id, generation)
    where p.secrets <> '{}'
)
select transcript_id, key as kind, sum(value::bigint)::bigint as secrets
from counted, jsonb_each_text(secrets)
group by transcript_id, key;

grant select on all tables in schema public to mnemo_writer, mnemo_reader;
