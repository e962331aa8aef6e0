-- Notes that a generation was parsed anew; the newest parser stays, and of its events the one that looked for secrets.
insert into reparsed (transcript_id, generation, parser, end_offset, secrets)
select transcript_id, generation, parser, end_offset, secrets::jsonb
from unnest($1::text[], $2::int[], $3::int[], $4::bigint[], $5::text[])
    as p (transcript_id, generation, parser, end_offset, secrets)
on conflict (transcript_id, generation) do update
set parser = excluded.parser, end_offset = excluded.end_offset, secrets = excluded.secrets
where (excluded.parser, excluded.end_offset, excluded.secrets is not null)
    > (reparsed.parser, reparsed.end_offset, reparsed.secrets is not null)
