-- Where a batch of records lands by COPY before it is merged.
create temp table if not exists records_stage (like records) on commit delete rows
