-- Folders in which assistants worked, the latest first: $1 most.
select project, count(distinct session_id) as sessions, count(*) as exchanges, max(ended_at) as last_used_at,
       count(*) over () as total
from words where field = 0 and project <> ''
group by project order by 4 desc nulls last, project limit $1
