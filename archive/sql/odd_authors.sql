-- Fields that say who wrote a record, with a value that no parser knows: `field=value@version`, and how often.
select substr(name, 9) as witness, sum(lines)::bigint as lines
from line_counts join transcripts using (transcript_id)
where name like 'unknown:%=%' and source <> 'canary' group by 1 order by 1
