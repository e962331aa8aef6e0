-- Sessions, the latest first: $1 assistant, $2 part of the project, $3 since, $4 until (null = any), $5 limit, $6 offset,
-- $7 a session's ID (null = all). The title is a person's, else a program's, else none; a summary counts where it names a
-- record of this session. `total` counts all that match.
with matching as (
    select s.source, s.session_id, s.exchanges, s.started_at, s.ended_at, s.project
    from sessions s
    where ($1::text is null or s.source = $1) and ($7::text is null or s.session_id = $7)
      and ($2::text is null or strpos(lower(s.project), lower($2)) > 0)
      and ($3::timestamptz is null or s.ended_at >= $3) and ($4::timestamptz is null or s.started_at < $4)
), page as (
    select * from matching order by ended_at desc nulls last, session_id, source limit $5 offset $6
)
select p.source, p.session_id, p.project, f.file, p.exchanges, p.started_at, p.ended_at,
       (select left(r.body, 2000) from records r
        where r.transcript_id = any(f.ids) and r.kind in ('prompt', 'command', 'plan')
        order by r.byte_offset, r.transcript_id, r.generation limit 1) as first_prompt,
       (select r.body from records r
        where r.transcript_id = any(f.ids) and r.kind = 'title'
          and (r.tool = '' or exists (select from records leaf
               where leaf.transcript_id = r.transcript_id and leaf.generation = r.generation and leaf.record_id = r.tool))
        order by r.role = 'custom-title' desc, r.byte_offset desc limit 1) as title,
       (select count(*) from matching) as total
from page p
cross join lateral (
    select array_agg(transcript_id) as ids, min(root || '/' || path) filter (where not subagent) as file
    from transcripts t where t.session_id = p.session_id and t.source = p.source) f
order by p.ended_at desc nulls last, p.session_id, p.source
