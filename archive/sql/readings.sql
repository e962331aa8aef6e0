-- What the archive has been read as: exchanges by what opened them, records by kind.
select 'exchanges: ' || kind as what, count(*) as count from exchanges group by kind
union all
select 'records: ' || kind, count(*) from records join transcripts using (transcript_id)
where source <> 'canary' group by kind
order by what
