"""Figures for Prometheus, as plain text: the same answers the pages show."""

from bluewhale_webui.context import Context

FEED_STATES = ("LIVE", "QUIET", "STALE", "LOST", "OFF")


def text(ctx: Context) -> str:
    snap = ctx.web.health()
    out: list[str] = []

    def add(name: str, kind: str, told: str, values: list[tuple[dict[str, str], float | int | None]]) -> None:
        out.append(f"# HELP bluewhale_{name} {told}")
        out.append(f"# TYPE bluewhale_{name} {kind}")
        for labels, value in values:
            if value is not None:
                inner = ",".join(f'{key}="{_escaped(word)}"' for key, word in labels.items())
                out.append(f"bluewhale_{name}{{{inner}}} {value}" if inner else f"bluewhale_{name} {value}")

    add(
        "feed_up",
        "gauge",
        "1 while the feed is live or quiet.",
        [({"feed": f.name}, int(f.state in ("LIVE", "QUIET"))) for f in snap.feeds],
    )
    add(
        "feed_bytes_total",
        "counter",
        "Bytes received since capture started.",
        [({"feed": f.name}, f.bytes) for f in snap.feeds],
    )
    add(
        "feed_records_total",
        "counter",
        "Records read since the journal began.",
        [({"feed": f.name}, f.legs) for f in snap.feeds],
    )
    add(
        "feed_rejects_total",
        "counter",
        "Records that could not be read.",
        [({"feed": f.name}, f.rejects) for f in snap.feeds],
    )
    add(
        "role_up",
        "gauge",
        "1 while the role works.",
        [({"role": r.name}, int(r.state == "up")) for r in snap.roles],
    )
    add(
        "role_restarts_total",
        "counter",
        "Restarts of the role.",
        [({"role": r.name}, r.restarts) for r in snap.roles],
    )
    add(
        "alarms",
        "gauge",
        "Standing alarms.",
        [
            ({"severity": s}, sum(a.severity == s for a in snap.alarms))
            for s in ("warning", "major", "critical")
        ],
    )
    if box := snap.box:
        add("calls_total", "counter", "Calls made of records.", [({}, box.calls)])
        add("unpriced_total", "counter", "Calls without a price.", [({}, box.unpriced)])
        add("backlog_bytes", "gauge", "Received bytes that are not rated yet.", [({}, box.backlog_bytes)])
        add("disk_free_bytes", "gauge", "Free space of the data disk.", [({}, box.disk_free)])
        add("health_time_seconds", "gauge", "When these figures were taken.", [({}, box.time_us / 1_000_000)])
    counters = ctx.web.counters
    add("web_requests_total", "counter", "Requests of the page since its start.", [({}, counters.requests)])
    add("web_faults_total", "counter", "Requests that ended in a fault.", [({}, counters.faults)])
    return "\n".join(out) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
