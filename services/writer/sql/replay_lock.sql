-- Waits for the writer's transaction and keeps it from the next one until the swap is done; readers go on.
lock table public.transcripts, public.segments, public.records, public.models, public.chunks,
           public.reparsed, public.forgotten in share row exclusive mode
