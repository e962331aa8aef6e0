"""Where a connection to NATS goes, who must be at its other end, and the client that makes it."""
