-- One exchange, whole.
select exchange_id, source, transcript_id, session_id, project, kind, prompt, answer, tools, started_at, ended_at
from conversations where exchange_id = $1
