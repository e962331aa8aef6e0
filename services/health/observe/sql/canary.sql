-- Has this text come out as a row with a vector?
select exists (select from records r join chunks c using (text_sha) where r.text_sha = $1) as arrived
