-- Folders in which assistants worked, the latest first: $1 most.
select project, count(*) as sessions, sum(exchanges)::bigint as exchanges, max(ended_at) as last_used_at,
       count(*) over () as total
from session_projects
group by project order by 4 desc nulls last, project limit $1
