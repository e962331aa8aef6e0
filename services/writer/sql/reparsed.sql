-- Notes that a generation was parsed anew; the newest parser stays.
insert into reparsed (transcript_id, generation, parser, end_offset)
select * from unnest($1::text[], $2::int[], $3::int[], $4::bigint[])
on conflict (transcript_id, generation) do update
set parser = excluded.parser, end_offset = excluded.end_offset
where (excluded.parser, excluded.end_offset) > (reparsed.parser, reparsed.end_offset)
