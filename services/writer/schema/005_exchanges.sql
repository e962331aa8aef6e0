-- Exchanges that no person has opened, and copies of a history in a fork. docs/formats.md has the table of copies.

alter table records add column copy_key text;  -- on openers: what a copy in a fork has in common with the original
create index records_copies on records (copy_key) where copy_key is not null;
create index records_forks on records (transcript_id) where kind = 'fork';
drop index records_openers;
create index records_openers on records (occurred_at desc)
    where kind in ('prompt', 'command', 'plan') or copy_key is not null;
create index transcripts_sessions on transcripts (source, session_id);

drop view conversations;
drop view exchange_copies;

-- Every copy of every exchange: one row per exchange, transcript and generation. `kind` is that of the person's record
-- that opened it, null if none did; `opener` says what did then: a task (a message of the program or another agent), a
-- summary, an agent (a sub-agent's own work), or continued (nothing that the file holds).
create view exchange_copies as
select r.exchange_id,
       r.transcript_id,
       r.generation,
       min(r.kind) filter (where r.kind in ('prompt', 'command', 'plan')) as kind,
       coalesce(min(r.kind) filter (where r.kind in ('prompt', 'command', 'plan')),
                case (array_agg(r.kind order by r.byte_offset, r.block, r.part))[1]
                    when 'subagent_prompt' then 'agent' when 'subagent_answer' then 'agent'
                    when 'subagent_call' then 'agent' when 'notification' then 'task' when 'summary' then 'summary'
                    else 'continued' end) as opener,
       coalesce(string_agg(r.body, '' order by r.byte_offset, r.block, r.part)
           filter (where r.kind in ('prompt', 'command', 'plan')),
           (array_agg(r.body order by r.byte_offset, r.block, r.part)
               filter (where r.kind in ('subagent_prompt', 'notification', 'summary')))[1], '') as prompt,
       coalesce(substr(string_agg(case when r.part = 0 then E'\n' else '' end || r.body, ''
           order by r.byte_offset, r.block, r.part) filter (where r.kind = 'answer'), 2),
           case when bool_or(r.kind in ('prompt', 'command', 'plan')) then ''
                else substr(string_agg(case when r.part = 0 then E'\n' else '' end || r.body, ''
                    order by r.byte_offset, r.block, r.part) filter (where r.kind = 'subagent_answer'), 2) end,
           '') as answer,
       coalesce(array_agg(r.tool order by r.byte_offset, r.block)
           filter (where r.kind = 'tool_call'),
           case when bool_or(r.kind in ('prompt', 'command', 'plan')) then '{}'
                else array_agg(r.tool order by r.byte_offset, r.block) filter (where r.kind = 'subagent_call') end,
           '{}') as tools,
       coalesce(min(r.cwd) filter (where r.kind in ('prompt', 'command', 'plan') and r.cwd <> ''),
                min(r.cwd) filter (where r.cwd <> '')) as project,
       coalesce(min(r.occurred_at) filter (where r.kind in ('prompt', 'command', 'plan')), min(r.occurred_at))
           as started_at,
       max(r.occurred_at) as ended_at,
       max(r.copy_key) as copy_key,
       bool_or(r.kind in ('queued', 'steer', 'comment', 'reply')) as has_words
from records r
where r.exchange_id is not null
group by r.exchange_id, r.transcript_id, r.generation;

-- One row per distinct exchange: the longest copy where a session was forked or a file rewritten, with the time of the
-- first. Copies have the same id, or, in a fork, the same copy key below the same root, and an answer that begins
-- alike: two answers to the same prompt are two exchanges.
create view exchanges as
select distinct on (c.exchange_id)
       c.exchange_id, t.source, c.transcript_id, t.session_id, c.project, c.opener as kind, c.prompt, c.answer, c.tools,
       least(min(c.started_at) over (partition by c.exchange_id), f.started_at) as started_at,
       c.ended_at, c.kind is not null as by_person
from exchange_copies c
join transcripts t using (transcript_id)
left join lateral (
    select min(k.started_at) as started_at,
           bool_or((length(k.answer), cardinality(k.tools)) > (length(c.answer), cardinality(c.tools))
               or (length(k.answer), cardinality(k.tools)) = (length(c.answer), cardinality(c.tools))
                  and (coalesce(k.started_at, 'infinity'), k.exchange_id)
                    < (coalesce(c.started_at, 'infinity'), c.exchange_id)) as superseded
    from (select distinct o.exchange_id, o.transcript_id, o.generation, s.session_id
          from records o join transcripts s using (transcript_id)
          where o.copy_key = c.copy_key and o.exchange_id <> c.exchange_id and s.source = t.source) other
    join exchange_copies k on k.exchange_id = other.exchange_id and k.transcript_id = other.transcript_id
         and k.generation = other.generation and (k.kind is not null or c.kind is null)
    where (starts_with(regexp_replace(k.answer, '\s', '', 'g'), regexp_replace(c.answer, '\s', '', 'g'))
           or starts_with(regexp_replace(c.answer, '\s', '', 'g'), regexp_replace(k.answer, '\s', '', 'g')))
      and (with recursive up (session, depth) as (
               select other.session_id, 0
               union
               select r.body, up.depth + 1 from up
               join transcripts p on p.source = t.source and p.session_id = up.session
               join records r on r.transcript_id = p.transcript_id and r.kind = 'fork' where up.depth < 32)
           select session from up order by depth desc, session limit 1)
        = (with recursive up (session, depth) as (
               select t.session_id, 0
               union
               select r.body, up.depth + 1 from up
               join transcripts p on p.source = t.source and p.session_id = up.session
               join records r on r.transcript_id = p.transcript_id and r.kind = 'fork' where up.depth < 32)
           select session from up order by depth desc, session limit 1)
) f on c.copy_key is not null
where t.source <> 'canary' and not coalesce(f.superseded, false)
  and (c.kind is not null or c.has_words or c.answer <> '')
order by c.exchange_id, (c.kind is null), length(c.answer) desc, cardinality(c.tools) desc, c.ended_at desc nulls last,
         c.transcript_id, c.generation desc;

-- Exchanges that a person has opened.
create view conversations as
select exchange_id, source, transcript_id, session_id, project, kind, prompt, answer, tools, started_at, ended_at
from exchanges where by_person;

grant select on all tables in schema public to mnemo_writer, mnemo_reader;
