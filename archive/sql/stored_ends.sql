-- How far, and when, the newest generation of each transcript below a folder was stored.
select t.root || '/' || t.path as full_path, s.stored, s.captured_at
from transcripts t join lateral (
    select max(end_offset) as stored, extract(epoch from max(captured_at))::float8 as captured_at from segments
    where transcript_id = t.transcript_id
    group by generation order by generation desc limit 1) s on true
where starts_with(t.root || '/' || t.path, $1 || '/')
