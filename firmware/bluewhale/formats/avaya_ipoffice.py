"""Avaya IP Office SMDR, also B5800 Branch Gateway.

Feed:       TCP, either side connects: with the address 0.0.0.0 the PBX listens, else it pushes to address and
            port (commonly 808, 8808 or 1150). One line per call leg, CR LF, no login, no acknowledgement.
PBX:        System > SMDR: output "SMDR only", address and port of the box, buffer at its largest.
Source:     IP Office SMDR guide and its examples; B5800 Manager 10.0, pages 854-855. Columns 31 and later
            differ between releases and are not read.
Integrity:  strong: a date and time, a duration, a direction letter and a call id in one line.

    2008/06/28 09:30:57,00:00:13,7,01707392200,I,299999,299999,,0,1000014160,1,E4750,John Smith,T9002,LINE 1.2,11,0
    |                   |        | |           | |      |       | | |          | |                |            |  |
    |                   |        | |           | |      |       | | call id    | party 1, name     party 2,     |  park
    |                   |        | caller      | called dialled | internal     continuation        name         hold
    |                   |        ring          I in, O out      account code
    |                   connected (rounded up, without ring, hold and park)
    start of the call, all legs of a call id the same

Devices: E extension, T line (9001..), V voice mail (9501..) or conference channel (11001..).
`called` is what was dialled (column 7: digits dialled, or the DDI digits received). A call answered by voice
mail has party1 = V95nn and no extension.
"""

from bluewhale.formats._join import Joins, Link
from bluewhale.formats._layout import (
    Context,
    Delimited,
    Format,
    Integrity,
    Option,
    Row,
    code,
    digits,
    duration,
    number,
    text,
    when,
)

LAYOUT = Delimited(
    (
        when("started_local", 0, "yyyy/mm/dd hh:mm[:ss]", need=True, note="start, with the ringing"),
        duration("talk_s", 1, "hh:mm:ss", need=True, note="0 = never answered"),
        number("ring_s", 2, need=True),
        digits("caller", 3),
        code("_way", 4, {"I": "incoming", "O": "outgoing"}, need=True),
        digits("_called", 5, note="before redirection (in), final (out)"),
        digits("called", 6, note="dialled, or DDI digits received"),
        text("account_code", 7, blank=("n/a",)),
        code("_internal", 8, {"0": False, "1": True, "I": True}),
        text("correlation_id", 9, need=True, note="call id"),
        code("continues", 10, {"0": False, "1": True}, need=True, note="another record follows"),
        text("extra.party1", 11),
        text("extra.party1_name", 12),
        text("extra.party2", 13),
        text("extra.party2_name", 14),
        text("extra.hold_s", 15, blank=("0",)),
        text("extra.park_s", 16, blank=("0",)),
        text("auth_code", 18, blank=("n/u",)),
        text("extra.user_charged", 19),
        text("extra.call_charge", 20),
        text("extra.charge_currency", 21),
        text("extra.call_units", 23),
        text("extra.targeting_cause", 27, note="who and why: U XfP, HG fb, U MT ..."),
        text("extra.targeter", 28),
        text("extra.targeted", 29),
    ),
    least=17,
    most=60,
    shape=r"\d{4}/\d\d?/\d\d? \d\d:\d\d",
)


def finish(row: Row, context: Context) -> Row:
    way, internal = row.pop("_way"), row.pop("_internal", False)
    row["answered"] = row["talk_s"] > 0
    extra = row.setdefault("extra", {})
    called = row.pop("_called", None)
    if called and row.setdefault("called", called) != called:
        extra["called_number"] = called
    one, two = extra.get("party1", ""), extra.get("party2", "")
    if one[:1] == "E":
        row["extension"] = one[1:]
    elif two[:1] == "E":
        row["extension"] = two[1:]
    row["direction"] = "internal" if internal else way
    if two[:1] == "T":
        row["trunk"] = two
        if one[:1] == "T":
            # party 1 is the far end of an incoming leg and the near end of an outgoing one
            row["direction"] = "tandem"
            row["trunk_in"], row["trunk"] = (two, one) if way == "incoming" else (one, two)
    elif one[:1] == "T":
        row["trunk"] = one
    return row


CAUSE = "extra.targeting_cause"

FORMAT = Format(
    name="avaya-ipoffice",
    title="Avaya IP Office, B5800",
    layouts=(LAYOUT,),
    integrity=Integrity.STRONG,
    finish=finish,
    options=(
        Option("devices", "table", "device letters; the ledger reads it"),
        Option("connected_time", "text", "what the connected time holds; for documentation"),
    ),
    join=Joins(
        key=("correlation_id", "started_local"),  # the number begins anew after a restart, the start does not
        links=(
            *(  # a transferred call names whose call it was
                Link(("extra.targeter",), (name,), when="overlap", slack_s=2, one_has=((CAUSE, "Xf[Pd]"),))
                for name in ("extra.party1_name", "extra.party2_name")
            ),
            Link(  # a twinned mobile is answered when its user is
                ("extra.targeter",),
                ("extra.party2_name",),
                when="answer",
                slack_s=1,
                one_has=((CAUSE, r"\bMT\b"),),
            ),
            *(  # channels of one conference
                Link((one,), (other,), when="overlap", slack_s=60)
                for one in ("extra.party1_name/conference", "extra.party2_name/conference")
                for other in ("extra.party1_name/conference", "extra.party2_name/conference")
            ),
        ),
        order="arrival",
        bridge=(("extra.party1", "V11"), ("extra.party2", "V11")),
        window_s=24 * 3600,
        done="continues",
    ),
)
