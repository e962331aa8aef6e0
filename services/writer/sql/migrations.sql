-- The list of applied files, and one migrator at a time.
create table if not exists migrations (name text primary key, sha256 text not null, applied_at timestamptz not null default now());
lock table migrations in exclusive mode
