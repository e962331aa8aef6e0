-- Texts with vectors, by model.
select model, name, texts, embedded from coverage
