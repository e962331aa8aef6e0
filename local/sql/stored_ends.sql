-- How far the newest generation of each transcript below a root is stored.
select t.root, t.path, s.stored
from transcripts t join lateral (
    select max(end_offset) as stored from segments
    where transcript_id = t.transcript_id
    group by generation order by generation desc limit 1) s on true
where t.root = $1
