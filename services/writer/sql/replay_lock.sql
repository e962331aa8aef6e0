-- Waits for readers, all tables at once and in the order in which queries name them, for the moment of the swap.
lock table public.forgotten, public.reparsed, public.models, public.chunks, public.chunk_owners, public.records,
           public.segments, public.transcripts, public.words, public.literals, public.unindexed, public.word_counts,
           public.word_totals, public.sessions, public.session_projects in access exclusive mode
