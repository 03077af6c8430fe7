"""The processes: where I/O meets the pure middle. One module a role, each with run(config) -> exit code."""
