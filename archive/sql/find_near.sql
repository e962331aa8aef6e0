-- Exchanges by their nearest chunk, exact: every vector of the model is compared. $1 vector, $2 model, $3 chunks,
-- $4 kinds of records (null = any).
with {allowed} near as materialized (
    select text_sha, begin_char, stop_char, embedding <=> $1::halfvec as distance
    from chunks where model = $2
      and ('{among}' = 'true' or text_sha in (select r.text_sha from records r where {among} and r.text_sha is not null))
    order by distance limit $3
)
select * from (
    select distinct on (w.exchange_id) w.exchange_id, w.session_id, 1 - n.distance as similarity, n.text_sha, n.begin_char,
           n.stop_char
    from near n join records r using (text_sha) join words w on w.exchange_id = r.exchange_id and w.field = 0
    where ($4::text[] is null or r.kind = any($4)) and w.{among}
    order by w.exchange_id, n.distance
) best order by similarity desc limit 200
