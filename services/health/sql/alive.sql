-- Answers if the database does.
select 1 as one
