-- The next exchanges to index: what is being written now, then the newest; $1 most, $2 those that must rest, $3 only
-- live ones.
select exchange_id from unindexed
where exchange_id <> all($2::text[]) and (live or not $3)
order by live desc, marked_at desc limit $1
