-- One exchange, texts up to $2 characters; `cut` if one of them is longer.
select exchange_id, source, transcript_id, session_id, project, kind, left(prompt, $2) as prompt,
       left(answer, $2) as answer, tools, started_at, ended_at,
       greatest(length(prompt), length(answer)) > $2 as cut
from exchanges where exchange_id = $1
