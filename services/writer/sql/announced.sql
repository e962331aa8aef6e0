-- Which of these names of models were announced.
select name from public.announced_models where name = any($1::text[])
