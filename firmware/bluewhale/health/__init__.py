"""From status files to states and alarms. The states are pure functions; only the role writes health.db."""
