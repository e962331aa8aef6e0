-- Sessions, the latest first: $1 assistant, $2 part of the project, $3 since, $4 until (null = any), $5 limit, $6 offset,
-- $7 a session's ID (null = all). The title is a person's, else a program's, else none; a summary counts where it names a
-- record of this session. An exchange that stands in two stores of the session counts once. `total` counts all that match.
with files as (
    select source, session_id, array_agg(transcript_id) as ids,
           min(root || '/' || path) filter (where not subagent) as file
    from transcripts where source not in ('canary', 'attachment') and ($1::text is null or source = $1)
      and ($7::text is null or session_id = $7)
    group by source, session_id
), known as (
    select f.*, o.exchanges, o.started_at, o.ended_at, o.project, o.first_prompt, count(*) over () as total
    from files f cross join lateral (
        select count(distinct coalesce(r.copy_key, r.exchange_id)) as exchanges, min(r.occurred_at) as started_at, max(r.occurred_at) as ended_at,
               (array_agg(r.cwd order by r.occurred_at desc nulls last) filter (where r.cwd <> ''))[1] as project,
               (array_agg(left(r.body, 2000) order by r.byte_offset)
                   filter (where r.kind in ('prompt', 'command', 'plan')))[1] as first_prompt
        from records r where r.transcript_id = any(f.ids)
          and (r.kind in ('prompt', 'command', 'plan') or r.copy_key is not null)
    ) o
    where o.exchanges > 0 and ($2::text is null or strpos(lower(o.project), lower($2)) > 0)
      and ($3::timestamptz is null or o.ended_at >= $3) and ($4::timestamptz is null or o.started_at < $4)
    order by o.ended_at desc nulls last, f.session_id, f.source limit $5 offset $6
)
select k.source, k.session_id, k.project, k.file, k.exchanges, k.started_at, k.ended_at, k.first_prompt,
       (select r.body from records r
        where r.transcript_id = any(k.ids) and r.kind = 'title'
          and (r.tool = '' or exists (select from records leaf
               where leaf.transcript_id = r.transcript_id and leaf.generation = r.generation and leaf.record_id = r.tool))
        order by r.role = 'custom-title' desc, r.byte_offset desc limit 1) as title, k.total
from known k order by k.ended_at desc nulls last, k.session_id, k.source
