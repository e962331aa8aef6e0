-- Transcripts that a parser older than $2 (versions, by the sources of $1) has read, and no newer one since.
with current as (select * from unnest($1::text[], $2::int[]) as c (source, parser)),
read as (select transcript_id, min(parser) as parser from segments group by transcript_id),
again as (select transcript_id, max(parser) as parser from reparsed group by transcript_id)
select count(*) as transcripts
from transcripts t join current c using (source) join read using (transcript_id) left join again using (transcript_id)
where greatest(read.parser, again.parser) < c.parser
