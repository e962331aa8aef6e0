-- Which of these exchanges are copies in a fork, and which marks to set because of it: a copy is found as its original.
-- "limit 1" asks for one exchange at a time: as "exists" it may be planned to read all of them first, and is on tables
-- that were not analysed yet.
select k.exchange_id, (select true from exchanges e where e.exchange_id = k.exchange_id limit 1) is not null as shown
from (select distinct o.exchange_id from records r join records o on o.copy_key = r.copy_key
      where r.exchange_id = any($1::text[]) and r.copy_key is not null and o.exchange_id is not null) k
