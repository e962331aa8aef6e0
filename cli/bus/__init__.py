"""Commands of the bus: dead letters, and a context for the nats CLI."""
