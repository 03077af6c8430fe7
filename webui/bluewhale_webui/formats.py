"""Dates, numbers, lengths and amounts as readers of either language expect them. Exact; no locale data.

Languages are "en" and "zh". Tables want short forms that sort; sentences want words.
"""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

WEEKDAYS = {
    "en": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
    "zh": [f"星期{d}" for d in "一二三四五六日"],
}
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
SYMBOLS = {"CNY": "¥", "EUR": "€", "GBP": "£"}
NONE = "–"


def count(value: int) -> str:
    """1,562"""
    return f"{value:,}"


def tick(value: int, language: str) -> str:
    """A number beside a chart: 12k, 1.2 万."""
    if language == "zh" and value >= 10_000:
        return f"{_short(value, 10_000)} 万"
    if language == "en" and value >= 10_000:
        return f"{_short(value, 1000)}k" if value < 1_000_000 else f"{_short(value, 1_000_000)}M"
    return count(value)


def _short(value: int, unit: int) -> str:
    whole, tenth = divmod(value * 10 // unit, 10)
    return f"{whole}.{tenth}" if tenth else str(whole)


def length(seconds: int | None) -> str:
    """A call's length in a table: 0:41, 12:31, 1:02:09; none is a dash, never 0:00."""
    if not seconds:
        return NONE
    minutes, second = divmod(abs(seconds), 60)
    hours, minute = divmod(minutes, 60)
    sign = "-" if seconds < 0 else ""
    return f"{sign}{hours}:{minute:02d}:{second:02d}" if hours else f"{sign}{minute}:{second:02d}"


def length_words(seconds: int, language: str) -> str:
    """62 h 14 min, 12 min 31 s, 41 s; 62 小时 14 分, 12 分 31 秒."""
    hour, minute, second = ("小时", "分", "秒") if language == "zh" else ("h", "min", "s")
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{count(hours)} {hour} {minutes} {minute}"
    if minutes:
        return f"{minutes} {minute} {left} {second}"
    return f"{left} {second}"


def amount(micros: int | None, decimals: int = 2) -> str:
    """Millionths as a plain table cell with the plan's decimals: 1,204.75. None is a dash.

    More digits than the plan has are never shown and never exist: prices are rounded by the plan.
    """
    if micros is None:
        return NONE
    sign = "-" if micros < 0 else ""
    whole, part = divmod(abs(micros), 1_000_000)
    fraction = f"{part:06d}"[:decimals]
    return f"{sign}{whole:,}.{fraction}" if fraction else f"{sign}{whole:,}"


def money(micros: int, currency: str | None, decimals: int = 2) -> str:
    """An amount in a sentence: ¥1,204.75, USD 3.20."""
    text = amount(micros, decimals)
    symbol = SYMBOLS.get(currency or "")
    if symbol is None:
        return f"{currency} {text}" if currency else text
    return f"-{symbol}{text[1:]}" if micros < 0 else f"{symbol}{text}"


def unit(currency: str) -> str:
    """What stands in a column's head: ¥, USD."""
    return SYMBOLS.get(currency, currency)


def size(number: int) -> str:
    """Bytes: 512 B, 4.2 kB, 12 MB."""
    if number < 1000:
        return f"{number} B"
    value = float(number)
    for name in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.5 or name == "TB":
            break
    return f"{value:.1f} {name}" if value < 9.95 else f"{value:.0f} {name}"


def share(part: int, whole: int) -> str:
    """A percentage in whole numbers: 9%."""
    return f"{(part * 200 + whole) // (2 * whole)}%" if whole else NONE


def date_words(day: date, language: str) -> str:
    """Sun 22 Nov 2026; 2026年11月22日 星期日."""
    weekday = WEEKDAYS[language][day.weekday()]
    if language == "zh":
        return f"{day.year}年{day.month}月{day.day}日 {weekday}"
    return f"{weekday} {day.day} {MONTHS[day.month - 1]} {day.year}"


def day_of(number: int) -> date:
    """YYYYMMDD as a date. Raises ValueError."""
    return date(number // 10000, number // 100 % 100, number % 100)


def day_number(day: date) -> int:
    return day.year * 10000 + day.month * 100 + day.day


def wall(us: int | None, zone: str) -> datetime | None:
    """Microseconds since 1970 as wall time in a zone."""
    return datetime.fromtimestamp(us / 1_000_000, UTC).astimezone(ZoneInfo(zone)) if us is not None else None


def stamp(us: int | None, zone: str) -> str:
    """2026-11-22 14:32:07 in a zone."""
    at = wall(us, zone)
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else NONE


def clock(us: int | None, zone: str) -> str:
    """14:32:07 in a zone."""
    at = wall(us, zone)
    return f"{at:%H:%M:%S}" if at else NONE


def ago(us: int, now_us: int, language: str) -> str:
    """2 s ago, 23 min ago, 4 h ago, 3 days ago; 2 秒前."""
    seconds = max(0, (now_us - us) // 1_000_000)
    for limit, unit_s, en, zh in (
        (120, 1, "s ago", "秒前"),
        (7200, 60, "min ago", "分钟前"),
        (172_800, 3600, "h ago", "小时前"),
    ):
        if seconds < limit:
            return f"{seconds // unit_s} {zh if language == 'zh' else en}"
    return f"{seconds // 86400} {'天前' if language == 'zh' else 'days ago'}"


def span(seconds: int, language: str) -> str:
    """A span of time in one unit: 41 s, 23 min, 4 h, 3 days."""
    for limit, unit_s, en, zh in (
        (120, 1, "s", "秒"),
        (7200, 60, "min", "分钟"),
        (172_800, 3600, "h", "小时"),
    ):
        if seconds < limit:
            return f"{seconds // unit_s} {zh if language == 'zh' else en}"
    return f"{seconds // 86400} {'天' if language == 'zh' else 'days'}"
