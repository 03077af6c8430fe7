"""Rows of health.db and what is remembered of a feed or a role: one into the other. Pure."""

from bluewhale.health import feeds, processes, reads
from bluewhale.health.status import Tree, integer, public_url


def feed_memory(row: reads.Feed) -> feeds.Memory:
    return feeds.Memory(
        state=feeds.FeedState(row.state),
        since_us=row.since_us,
        had_client=bool(row.had_client),
        last_us=row.last_us,
        longest_us=row.longest_us,
        longest_at_us=row.longest_at_us,
    )


def role_memory(row: reads.Role, restarted_mono: int | None) -> processes.RoleMemory:
    return processes.RoleMemory(
        state=processes.RoleState(row.state),
        since_us=row.since_us,
        pid=row.pid or 0,
        started_us=row.started_us or 0,
        restarts=row.restarts,
        restarted_mono=() if restarted_mono is None else (restarted_mono,) * processes.LOOP_RESTARTS,
    )


def feed_row(
    name: str, url: str, memory: feeds.Memory, entry: Tree, rated: Tree, rate: int, started: int
) -> reads.Feed:
    detail = entry.get("detail") if entry else "capture does not know it"
    return reads.Feed(
        name=name,
        url=public_url(url),
        format=str(rated["format"]) if rated.get("format") else None,
        state=memory.state,
        since_us=memory.since_us,
        detail=str(detail) if detail else None,
        last_us=memory.last_us,
        bytes=integer(entry, "bytes"),
        chunks=integer(entry, "chunks"),
        legs=integer(rated, "legs"),
        rejects=integer(rated, "rejects"),
        opens=integer(entry, "opens"),
        losses=integer(entry, "losses"),
        line_errors=integer(entry, "line_errors"),
        refused=integer(entry, "refused"),
        connections=integer(entry, "connections"),
        rate=rate,
        counted_since_us=started or None,
        had_client=int(memory.had_client),
        longest_us=memory.longest_us,
        longest_at_us=memory.longest_at_us,
    )


def role_row(name: str, memory: processes.RoleMemory) -> reads.Role:
    return reads.Role(
        name=name,
        state=memory.state,
        since_us=memory.since_us,
        pid=memory.pid or None,
        started_us=memory.started_us or None,
        restarts=memory.restarts,
    )
