-- The models that are known under these names.
select name, model, dimensions from models where name = any($1::text[])
