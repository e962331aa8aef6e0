select not exists (select from transcripts) and not exists (select from forgotten)
