"""The agent: one sorted table of objects over health.db, and notifications. Read-only."""
