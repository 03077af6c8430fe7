"""Words for the codes that other parts use: directions, states, roles, reasons, alarms.

N_ marks a text for the catalogue; it is translated where it is shown. The texts of other parts that hold data
("no rate for "0755"") are recognised by their pattern and translated as a whole; an unknown one stays English.
"""

import re
from collections.abc import Callable
from functools import lru_cache

Gettext = Callable[[str], str]


def N_(text: str) -> str:
    return text


PASSWORD = {
    "short": N_("The password is too short: at least 10 characters."),
    "long": N_("The password is too long: at most 256 characters."),
    "control": N_("The password holds a character that cannot be typed everywhere."),
    "name": N_("The password must not be your name or the box's."),
    "letters": N_("The password holds letters only: add a digit or a sign."),
    "digits": N_("The password holds digits only: add letters."),
    "common": N_("This password is one of those everybody tries first."),
}
ROLE = {
    "administrator": N_("Administrator"),
    "operator": N_("Operator"),
    "accountant": N_("Accountant"),
    "viewer": N_("Viewer"),
}
DIRECTION = {
    "outgoing": N_("outgoing"),
    "incoming": N_("incoming"),
    "internal": N_("internal"),
    "tandem": N_("tandem"),
}
ARROW = {"outgoing": "→", "incoming": "←", "internal": "↔", "tandem": "⇄"}
CALL_STATE = {
    "open": ("none", N_("Open")),
    "settling": ("none", N_("Settling")),
    "closed": ("ok", N_("Closed")),
    "corrected": ("warn", N_("Corrected")),
    "incomplete": ("warn", N_("Incomplete")),
}
FEED_STATE = {
    "LIVE": ("ok", N_("Live")),
    "QUIET": ("none", N_("Quiet")),
    "STALE": ("warn", N_("Stale")),
    "LOST": ("bad", N_("Lost")),
    "OFF": ("off", N_("Off")),
}
ROLE_STATE = {
    "up": ("ok", N_("Working")),
    "restarting": ("warn", N_("Restarting")),
    "hung": ("bad", N_("Hung")),
    "down": ("bad", N_("Down")),
}
PROCESS = {
    "capture": N_("Capture: receives and keeps every byte"),
    "ledger": N_("Ledger: makes rated calls of them"),
    "health": N_("Health: watches feeds and raises alarms"),
    "web": N_("Web: these pages"),
    "snmp": N_("SNMP: answers the network centre"),
    "e1": N_("E1: reads the E1 cards"),
}
REJECT = {
    "foreign": N_("not a record of this format"),
    "truncated": N_("cut off: the connection ended inside it"),
    "bad-field": N_("a field cannot be read"),
    "bad-time": N_("an impossible date or time"),
    "too-long": N_("no end of record found"),
    "noise": N_("noise: check speed and framing of the line"),
    "undetected": N_("no format was recognised"),
    "fault": N_("the box could not make a call of it"),
}
PAYER = {
    0: N_("nobody"),
    1: N_("extension"),
    2: N_("trunk group"),
    3: N_("queue"),
    4: N_("voicemail"),
    5: N_("authorisation code"),
}
TIME_FLAGS = {
    1: N_("The record names no year; it was taken from the time of receipt."),
    2: N_("The record names no date; it was taken from the time of receipt."),
    4: N_("This hour came twice (clocks went back); the earlier one is shown."),
    8: N_("The record names no time; the time of receipt is shown."),
    16: N_("This hour does not exist (clocks went forward)."),
    32: N_("The PBX's clock is far from the time of receipt."),
}
ALARM = {
    "feed-lost": N_("Feed %(feed)s is lost: %(detail)s"),
    "feed-stale": N_("Feed %(feed)s has sent nothing for longer than ever before"),
    "feed-rejects": N_("Feed %(feed)s sends data that cannot be read"),
    "role-down": N_("Role %(role)s does not run"),
    "role-hung": N_("Role %(role)s does not answer"),
    "role-restarts": N_("Role %(role)s keeps restarting"),
    "backlog": N_("Received records wait to be rated"),
    "ledger-stuck": N_("Rating does not go on although records wait"),
    "journal-full": N_("The journal takes no records: the disk is full"),
    "disk-low": N_("Little disk space is left"),
    "disk-full": N_("The disk is full"),
    "memory-low": N_("Little memory is left"),
}
SEVERITY = {
    "warning": ("warn", N_("Warning")),
    "major": ("bad", N_("Major")),
    "critical": ("bad", N_("Critical")),
}
CHANGE = {
    "site": N_("site"),
    "feed": N_("feed"),
    "plan": N_("plan"),
    "pricing": N_("pricing"),
    "directory": N_("directory"),
    "user": N_("user"),
    "token": N_("token"),
    "setup": N_("set-up"),
    "snmp-user": N_("SNMP user"),
    "snmp-receiver": N_("SNMP receiver"),
    "format": N_("format"),
}
CHANGE_STATE = {"applied": ("ok", N_("Applied")), "refused": ("bad", N_("Refused"))}
LOGIN = {
    "in": ("ok", N_("Signed in")),
    "out": ("off", N_("Signed out")),
    "wrong": ("warn", N_("Wrong password")),
    "locked": ("bad", N_("Locked after wrong tries")),
    "setup": ("ok", N_("Set the box up")),
    "password": ("ok", N_("Changed the password")),
}

# What other parts say, with the data in it.
PATTERNS = (
    N_("no plan"),
    N_("no duration"),
    N_("no direction"),
    N_('no rate for "%(number)s"'),
    N_('no rate for "%(number)s" is valid on %(day)s'),
    N_('no band of prefix "%(prefix)s" holds at %(time)s'),
    N_("a call of %(seconds)s s cannot be"),
    N_("%(kind)s %(key)s is not there any more"),
    N_("%(kind)s %(key)s was changed meanwhile (version %(now)s, not %(then)s)"),
    N_("feed %(feed)s stands at site %(site)s"),
    N_("url: %(url)s is none of %(known)s"),
    N_("site: there is no site %(site)s"),
    N_("allow: %(network)s is no address or network"),
    N_("format: there is no format %(format)s"),
    N_("%(name)s is the last administrator"),
    N_("%(name)s is no name: letters, digits, '.', '_' and '-', at most 40"),
    N_('no plan "%(plan)s"'),
    N_('no site "%(site)s"'),
    N_('the plan "%(plan)s" is in use: choose another one first'),
    N_("charge, cost and reference need one currency, not %(currencies)s"),
    N_('not an extension: "%(text)s"'),
    N_('extension "%(extension)s" stands in line %(line)s too'),
    N_('unknown heading "%(heading)s"'),
    N_('the heading "%(heading)s" stands twice'),
    N_('no heading "extension" (分机): the first line names the columns'),
    N_("the table is empty"),
    N_('"%(text)s" is not an amount such as "0.07"'),
    N_("nobody is connected any more"),
    N_("capture does not know it"),
    N_("on %(address)s"),
    N_("to %(address)s"),
    N_("%(count)s files are followed"),
    N_("does not answer"),
    N_("playing"),
    N_("played"),
    N_("neither UTF-8 nor GB18030 text"),
    N_("%(cells)s cells under %(headings)s headings"),
    N_("a plan needs a name"),
    N_("a plan needs at least one [[rate]]"),
    N_('"%(text)s" is not a currency code such as "EUR"'),
    N_('"%(text)s" is not a zone such as "%(example)s"'),
    N_('no band "%(band)s" in this plan'),
    N_("less than the minimum"),
    N_("the first slot starts at 0: before it there is no price"),
    N_("the file holds no table at its top"),
)


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    made = []
    for text in PATTERNS:
        parts = re.split(r"%\((\w+)\)s", text)
        rule = "".join(f"(?P<{part}>.+)" if at % 2 else re.escape(part) for at, part in enumerate(parts))
        made.append((re.compile(rule), text))
    return made


def why(text: str | None, gettext: Gettext) -> str:
    """What another part said, in the reader's language if it is known."""
    if not text:
        return ""
    for rule, message in _patterns():
        found = rule.fullmatch(text)
        if found:
            return gettext(message) % found.groupdict() if found.groupdict() else gettext(message)
    path, colon, rest = text.partition(": ")
    if colon and " " not in path:  # the place of a fault in a file or form
        return f"{path}: {why(rest, gettext)}"
    return text


def alarm(what: str, params: dict[str, str], english: str, gettext: Gettext) -> str:
    message = ALARM.get(what)
    if message is None:
        return english
    filled = {"feed": "", "role": ""} | params | {"detail": why(params.get("detail"), gettext)}
    return (gettext(message) % filled).rstrip(": ：")
