-- Segments; of two that begin at the same offset (a watcher was killed before it heard the ack) the longer one
-- stays, of two equal ones the earlier.
insert into segments (transcript_id, generation, start_offset, end_offset, data, sha256, captured_at, counts, parser,
                      secrets, replaced, kept_sha256, base_generation, base_bytes, base_sha256, lineage)
select transcript_id, generation, start_offset, end_offset, data, sha256, captured_at::timestamptz, counts::jsonb, parser,
       secrets::jsonb, replaced::jsonb, kept_sha256, base_generation, base_bytes, base_sha256, lineage
from unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bytea[], $7::text[], $8::text[],
            $9::int[], $10::text[], $11::text[], $12::bytea[], $13::int[], $14::bigint[], $15::bytea[], $16::int[])
    as s (transcript_id, generation, start_offset, end_offset, data, sha256, captured_at, counts, parser,
          secrets, replaced, kept_sha256, base_generation, base_bytes, base_sha256, lineage)
on conflict (transcript_id, generation, start_offset) do update
set end_offset = excluded.end_offset, data = excluded.data, sha256 = excluded.sha256,
    captured_at = excluded.captured_at, counts = excluded.counts, parser = excluded.parser,
    secrets = excluded.secrets, replaced = excluded.replaced, kept_sha256 = excluded.kept_sha256,
    base_generation = excluded.base_generation, base_bytes = excluded.base_bytes,
    base_sha256 = excluded.base_sha256, lineage = excluded.lineage
where (excluded.end_offset, segments.captured_at) > (segments.end_offset, excluded.captured_at)
