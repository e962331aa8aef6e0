-- Notes that a generation was parsed anew; the newest parser stays, and of its events the one that looked for secrets.
insert into reparsed (transcript_id, generation, parser, end_offset, secrets, of_generation)
select transcript_id, generation, parser, end_offset, secrets::jsonb, of_generation
from unnest($1::text[], $2::int[], $3::int[], $4::bigint[], $5::text[], $6::int[])
    as p (transcript_id, generation, parser, end_offset, secrets, of_generation)
on conflict (transcript_id, generation) do update
set parser = excluded.parser, end_offset = excluded.end_offset, secrets = excluded.secrets,
    of_generation = excluded.of_generation
where (excluded.parser, excluded.end_offset, coalesce(excluded.of_generation, excluded.generation),
       excluded.secrets is not null)
    > (reparsed.parser, reparsed.end_offset, coalesce(reparsed.of_generation, reparsed.generation),
        reparsed.secrets is not null)
