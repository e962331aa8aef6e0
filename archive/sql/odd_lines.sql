-- Damaged and unknown lines of the newest generations.
select t.root || '/' || t.path as file, l.name, l.lines
from line_counts l join transcripts t using (transcript_id)
where (l.name like 'damaged:%' or l.name like 'unknown:%')
  and l.generation = (select max(generation) from segments s where s.transcript_id = l.transcript_id)
order by 1, 2
