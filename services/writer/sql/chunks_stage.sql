-- Where a batch of vectors lands by COPY before it is merged.
create temp table if not exists chunks_stage (like chunks) on commit delete rows
