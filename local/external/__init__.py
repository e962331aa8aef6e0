"""Servers that somebody else runs: `mnemo up --nats URL --postgres DSN`."""
