"""What the published guides say of each family, written down by hand, apart from the golden files."""

from typing import Any

import msgspec
import pytest

from accept import raw
from bluewhale.formats import Decoder, Item, load_formats
from bluewhale.model import Leg, Reject, Signal, Why

FORMATS = load_formats()


def items(family: str, data: bytes | str, **options: Any) -> list[Item]:
    data = data.encode() if isinstance(data, str) else data
    decoder = Decoder(FORMATS[family], options)
    return decoder.feed(data + b"\r\n", 0) + decoder.close()


def leg(family: str, line: str, **options: Any) -> dict[str, Any]:
    (item,) = items(family, line, **options)
    assert isinstance(item, Leg), item
    fields: dict[str, Any] = msgspec.to_builtins(item)
    return {name: value for name, value in fields.items() if name not in ("format", "origin")}


IPO = "2008/06/28 09:30:57,{connected},7,{caller},{way},{called},{dialled},,{internal},1000,{more},{p1},N1,{p2},N2,0,0"


def ipo(**changes: str) -> dict[str, Any]:
    cells = {"connected": "00:00:13", "caller": "1", "way": "O", "called": "2", "dialled": "2"}
    cells |= {"internal": "0", "more": "0", "p1": "E201", "p2": "T9001"}
    return leg("avaya-ipoffice", IPO.format(**(cells | changes)))


def test_ipoffice_direction_trunk_and_extension() -> None:
    """Field 9 before field 5; both parties T is tandem; the E device is the station, the T device the trunk."""
    out = ipo()
    assert (out["direction"], out["extension"], out["trunk"]) == ("outgoing", "201", "T9001")
    inward = ipo(way="I", p1="V9502", p2="T9002")
    assert (inward["direction"], inward["trunk"], inward.get("extension")) == ("incoming", "T9002", None)
    assert ipo(internal="1", p2="E202")["direction"] == "internal"
    assert ipo(internal="I", p2="V9051")["direction"] == "internal"
    tandem = ipo(way="I", p1="T9003", p2="T9001")
    assert (tandem["direction"], tandem["trunk_in"], tandem["trunk"]) == ("tandem", "T9001", "T9003")
    assert ipo(connected="00:00:00")["answered"] is False
    assert ipo(more="1")["continues"] is True


def test_ipoffice_dialled_digits_before_the_called_number() -> None:
    """DDI 390664 rang 403: called is what was dialled, the other is kept."""
    line = raw("avaya-ipoffice/published").decode().splitlines()[4]
    fields = leg("avaya-ipoffice", line)
    assert fields["called"] == "390664"
    assert fields["extension"] == "403"
    assert fields["extra"]["called_number"] == "403"


HEAD = (
    "cdrRecordType,globalCallID_callManagerId,globalCallID_callId,globalCallId_ClusterID,dateTimeOrigination,"
    "dateTimeConnect,dateTimeDisconnect,duration,callingPartyNumber,originalCalledPartyNumber,"
    "finalCalledPartyNumber,origDeviceName,destDeviceName,origCause_value,destCause_value,huntPilotDN\n"
)


def cucm(
    origin: str, target: str, causes: str = "16,0", final: str = "2001", pilot: str = "", **options: Any
) -> Any:
    row = f"1,1,7,C,1767603600,0,1767603660,0,5551,2000,{final},{origin},{target},{causes},{pilot}"
    return leg("cisco-cucm", HEAD + row, **options)


@pytest.mark.parametrize(
    ("origin", "target", "direction"),
    [
        ("SEP001122334455", "S0/SU1/DS1-0@gw1", "outgoing"),
        ("AALN/S1/SU0/1@gw2", "CSFalice", "incoming"),
        ("S0/SU1/DS1-0@gw1", "S0/SU1/DS1-1@gw1", "tandem"),
        ("BOTbob", "TCTcarol", "internal"),
        ("SEP001122334455", "CFB_2", "internal"),
        ("SEP001122334455", "SIP_TO_CARRIER", None),
        ("SEP001122334455", "", None),
    ],
)
def test_cucm_direction_from_the_devices(origin: str, target: str, direction: str | None) -> None:
    assert cucm(origin, target).get("direction") == direction


def test_cucm_trunk_list_overrides_the_shipped_patterns() -> None:
    assert cucm("SEP1", "SIP_TO_CARRIER", trunk_devices="SIP_TO_*")["direction"] == "outgoing"
    assert cucm("SEP1", "AN1@gw", trunk_devices=["SIP_TO_*"])["direction"] == "internal"


def test_cucm_answer_cause_and_split() -> None:
    fields = cucm("SEP1", "SEP2", "0,17")
    assert (fields["answered"], fields["cause"], fields["continues"]) == (False, 17, False)
    split = cucm("SEP1", "SEP2", "393216,393216")
    assert (split.get("cause"), split["continues"]) == (None, True)


def test_cucm_hunt_member_is_not_the_pilot() -> None:
    hidden = cucm("X@gw", "SEP0002", final="2000", pilot="2000")
    assert "extension" not in hidden
    shown = cucm("X@gw", "SEP0002", final="2000", pilot="2000", device_owner={"SEP0002": "3001"})
    assert shown["extension"] == "3001"


CMR = '2,1,7,1,"2000",{leg},1767603661,2967,59340,10,20,3,4,5,"id","","C","SEP0001","",,""'


def test_cucm_types_cmr_and_start_records_are_no_calls() -> None:
    """A CMR is a signal under any header; a call after it is read as before."""
    start, call = "0,1,7,C,0,0,0,0,,,,,,,,", "1,1,7,C,1,0,2,0,1,2,2,a,b,16,0,"
    read = items(
        "cisco-cucm", f"{HEAD}INTEGER,INTEGER\n{CMR.format(leg=21411554)}\n{start}\n{call}\n2,1,5,1,0"
    )
    assert [type(item) for item in read] == [Signal, Leg, Reject]
    signal, after = read[0], read[1]
    assert isinstance(signal, Signal)
    assert isinstance(after, Leg)
    assert signal.correlation_id == after.correlation_id == "C/1/7"
    assert (signal.what, signal.caller, signal.at_utc) == ("quality", "2000", "2026-01-05T09:01:01Z")
    assert signal.extra == {
        "leg": "21411554",
        "packets_sent": "2967",
        "octets_sent": "59340",
        "packets_received": "10",
        "octets_received": "20",
        "packets_lost": "3",
        "jitter_ms": "4",
        "latency_ms": "5",
        "pkid": "id",
        "device": "SEP0001",
    }


AST = '"","{src}","{dst}","{context}","x <1>","{a}","{b}","Dial","{data}","2020-01-01 10:00:00",{rest},"BILLING"'
ANSWERED = '"2020-01-01 10:00:05","2020-01-01 10:00:10",10,5,"ANSWERED"'


@pytest.mark.parametrize(
    ("a", "b", "context", "direction"),
    [
        ("SIP/201-00000001", "SIP/trunk-00000002", "x", "outgoing"),
        ("SIP/201-00000001", "DAHDI/i1/5551-00000002", "x", "outgoing"),
        ("DAHDI/i1/5551-1", "SIP/201-00000001", "x", "incoming"),
        ("SIP/acme-00000001", "SIP/201-00000002", "from-trunk", "incoming"),
        ("SIP/acme-00000001", "", "from-pstn", "incoming"),
        ("SIP/201-00000001", "SIP/202-00000002", "x", "internal"),
        ("Dongle/LIFE-01", "IAX2/far-02", "x", "tandem"),
        ("SIP/acme-00000001", "SIP/201-00000002", "x", None),
        ("SIP/201-00000001", "SIP/acme-00000002", "x", None),
        ("SIP/201-00000001", "Local/202@x-00000001;1", "x", None),
    ],
)
def test_asterisk_direction(a: str, b: str, context: str, direction: str | None) -> None:
    line = AST.format(src="77", dst="5551", context=context, a=a, b=b, data="SIP/5551", rest=ANSWERED)
    assert leg("asterisk", line).get("direction") == direction


def test_asterisk_owner_lists_decide() -> None:
    line = AST.format(
        src="77",
        dst="5551",
        context="x",
        a="SIP/acme-00000001",
        b="SIP/bob-00000002",
        data="SIP/bob",
        rest=ANSWERED,
    )
    assert "direction" not in leg("asterisk", line)
    fields = leg("asterisk", line, trunk_channels=["SIP/acme"], extension_channels={"SIP/bob": "200"})
    assert (fields["direction"], fields["trunk"], fields["extension"]) == ("incoming", "SIP/acme", "200")
    assert "direction" not in leg("asterisk", line, trunk_channels=["SIP/ac"], internal_channels=["SIP/b"])


def test_asterisk_any_column_set_and_utc() -> None:
    columns = ["uniqueid", "start", "billsec", "duration", "disposition", "src", "dst", "peeraccount"]
    line = '"1.2","2020-01-01 10:00:00","5","10","NO ANSWER","201","5551","sales"'
    fields = leg("asterisk", line, columns=columns, usegmtime=True)
    assert fields == {
        "caller": "201",
        "called": "5551",
        "answered": False,
        "talk_s": 5,
        "total_s": 10,
        "started_utc": "2020-01-01T10:00:00Z",
        "condition_code": "NO ANSWER",
        "correlation_id": "1.2",
        "extra": {"uniqueid": "1.2", "peeraccount": "sales"},
    }


def test_panasonic_page_lines_and_logins_are_no_calls() -> None:
    decoder = Decoder(FORMATS["panasonic"])
    page = (
        "-SMDR\r\nEnter Password:*******\r\n\r\n  Date     Time    Ext CO        Dial Number        Ring Duration\r\n"
        + "-" * 80
        + "\r\n01/02/02 03:35PM  1234    LOG IN\r\n01/02/02 03:35PM  1234    Check out\r\n"
    )
    assert decoder.feed(page.encode(), 0) == []
    assert decoder.skipped == 7


def test_panasonic_time_is_end_or_start() -> None:
    line = "01/02/02 10:15AM  1200 01 1234567890123456               00:01'05 9876543210"
    assert leg("panasonic", line)["ended_local"] == "2002-01-02T10:15"
    assert leg("panasonic", line, time_is="start (KX-TA)")["started_local"] == "2002-01-02T10:15"
    assert leg("panasonic", line, date_order="dd/mm/yy")["ended_local"] == "2002-02-01T10:15"


def test_panasonic_both_layouts_read_the_same() -> None:
    """By place, and by shape when the blanks were squeezed."""
    for line in raw("panasonic/published").decode().splitlines()[2:]:
        squeezed = " ".join(line.split())
        if "LOG" not in line and "COMPANY" not in line:
            assert leg("panasonic", line) == leg("panasonic", squeezed)


def test_panasonic_with_charge() -> None:
    fields = leg("panasonic", "01/02/02 10:15AM 1200 01 5551234 00:01'05 00003.25EUR 123 TR", format="B")
    assert fields["extra"] == {"cost": "00003.25", "cost_currency": "EUR"}
    assert (fields["account_code"], fields["condition_code"]) == ("123", "TR")
    (item,) = items("panasonic", "01/02/02 10:15AM 1200 01 5551234 00:01'05 00003.25EUR 123 TR")
    assert isinstance(item, Reject), "without the option a charge must not be taken for an account"


def test_norstar_answer_time_for_incoming_and_seizure_for_outgoing() -> None:
    out, inward = (i for i in items("norstar-bcm", raw("norstar-bcm/published")) if isinstance(i, Leg))
    assert (out.started_local, out.answered_local, out.talk_s) == ("1999-04-04T11:39:43", None, 779)
    assert (inward.started_local, inward.answered_local) == (None, "1999-04-04T12:00:01")
    assert (inward.ring_s, inward.talk_s) == (32, 167)


def test_norstar_real_time_lines_are_signals_unless_no_blocks_come() -> None:
    data = raw("norstar-bcm/published-real-time")
    plain = items("norstar-bcm", data)
    assert [item.what for item in plain if isinstance(item, Signal)] == [
        "ringing",
        "dnis",
        "answered",
        "released",
    ]
    assert len(plain) == 4
    (call,) = items("norstar-bcm", data, report="real time")
    assert isinstance(call, Leg)
    assert (call.caller, call.called, call.extension) == ("6137635122", "4032632300", "7343")


def cm(code: str, seconds: str = "00060", circuits: str = "        ", **options: Any) -> Item:
    line = f"010526 0930 0010 {seconds} {code}    9  345         2065551000      58888      {circuits}"
    (item,) = items("avaya-cm", line, **options)
    return item


@pytest.mark.parametrize(
    ("code", "circuits", "direction", "answered"),
    [
        ("0", "       ", "internal", True),
        ("1", "    031", "outgoing", True),
        ("4", "    031", "outgoing", True),
        ("7", "    031", "outgoing", True),
        ("8", "    031", "outgoing", True),
        ("A", "    031", "outgoing", True),
        ("9", "005    ", "incoming", True),
        ("9", "005 031", "tandem", True),
        ("C", "    031", "outgoing", True),
        ("E", "       ", "outgoing", False),
        ("H", "005    ", "incoming", False),
        ("I", "005    ", "incoming", False),
    ],
)
def test_cm_condition_codes(code: str, circuits: str, direction: str, answered: bool) -> None:
    item = cm(code, circuits=circuits)
    assert isinstance(item, Leg)
    assert (item.direction, item.answered) == (direction, answered)
    assert item.continues == (True if code == "4" else None)


def test_cm_ring_and_outage_records_are_signals() -> None:
    ring, outage = cm("G", circuits="005    "), cm("6")
    assert isinstance(ring, Signal)
    assert (ring.what, ring.ring_s, ring.trunk) == ("ring", 60, "005")
    assert isinstance(outage, Signal)


def test_cm_tenths_of_minutes_and_the_changed_clock() -> None:
    def talk(duration: str) -> int | None:
        (item,) = items("avaya-cm", f"0930 {duration} 7 9   345", format="printer")
        assert isinstance(item, Leg)
        return item.talk_s

    assert talk("0005") == 30
    assert talk("0033") == 198
    assert talk("9599") == 35994
    assert talk("9999") is None


def test_cm_times_take_the_date_of_the_record_before() -> None:
    lines = "0930 0010 0\r\n12 31\r\n2359 0010 0\r\n01 01\r\n0001 0010 0"
    bare = [
        item.ended_partial for item in items("avaya-cm", lines, format="printer") if isinstance(item, Leg)
    ]
    assert bare == ["T09:30", "12-31T23:59", "01-01T00:01"]
    full = [
        i.ended_local for i in items("avaya-cm", lines, format="printer", year=2025) if isinstance(i, Leg)
    ]
    assert full == [None, "2025-12-31T23:59", "2026-01-01T00:01"]


def test_cm_a_calling_number_that_is_the_trunk_access_code_is_no_number() -> None:
    def caller(**options: Any) -> str | None:
        line = "010526 0905 0033 00200 9                        58888        123  123 005"
        (item,) = items("avaya-cm", line, **options)
        assert isinstance(item, Leg)
        return item.caller

    assert caller() is None
    assert leg("avaya-cm", "0905 0033 9                 58888   123", format="printer")["caller"] == "123"
    with_codes = leg(
        "avaya-cm",
        "0905 0033 9                 58888   123",
        format="printer",
        trunk_access_codes={"123": "in"},
    )
    assert "caller" not in with_codes
    assert with_codes["trunk"] == "123"


def test_cm_circuits_in_natural_order_when_so_displayed() -> None:
    line = raw("avaya-cm/teleseer").split(b"\r\n\0\0\0")[1].decode()
    assert leg("avaya-cm", line, format="teleseer")["trunk"] == "123"
    assert leg("avaya-cm", line, format="teleseer", circuit_id="modified display")["trunk"] == "231"


def test_cm_lsu_has_no_time_and_its_pieces_are_put_together() -> None:
    fields = leg("avaya-cm", _lsu(), format="lsu")
    assert (fields["caller"], fields["trunk"], fields["talk_s"]) == ("25111", "145", 66)
    assert not {"ended_local", "ended_partial"} & fields.keys()


def _lsu() -> str:
    cells = {1: "0011", 5: "9", 12: "58888".rjust(15), 27: "5111", 46: "2", 47: "45", 53: "1"}
    line = [" "] * 54
    for first, cell in cells.items():
        line[first - 1 : first - 1 + len(cell)] = cell
    return "".join(line)


def test_cm_formats_are_told_apart_by_their_blanks() -> None:
    for case, count in (("teleseer", 6), ("printer-new-year", 4), ("published-customized", 2)):
        found = [item for item in items("avaya-cm", raw(f"avaya-cm/{case}")) if isinstance(item, Leg)]
        assert len(found) == count


def test_impossible_times_are_rejected_as_such() -> None:
    for family, line in (
        ("avaya-cm", "013226 0930 0010 00060 7    9  345         2065551000      58888          031"),
        ("panasonic", "02/30/02 10:15AM  1200 01 1234567890123456               00:01'05"),
        (
            "avaya-ipoffice",
            IPO.replace("06/28", "06/31").format(
                connected="00:00:01",
                caller="1",
                way="O",
                called="1",
                dialled="1",
                internal="0",
                more="0",
                p1="E1",
                p2="E2",
            ),
        ),
    ):
        (item,) = items(family, line)
        assert isinstance(item, Reject)
        assert item.why is Why.BAD_TIME, (family, item)


def test_hipath_information_element() -> None:
    """Odd is incoming, even and 9 outgoing; +20 goes on after a transfer, +40 is DISA; no duration = not answered."""

    def one(info: str, duration: str = "00:00:10") -> dict[str, Any]:
        return leg(
            "siemens-hipath3000", f"20.06.12|13:11:35|201|33388|00:02|{duration}|0123456789||{info}|77||||"
        )

    assert [one(info)["direction"] for info in ("0", "1", "2", "9", "21", "22", "41")] == [
        *("incoming", "incoming", "outgoing", "outgoing", "incoming", "outgoing", "incoming"),
    ]
    assert one("21")["extra"]["transferred"] == "yes"
    assert one("1", "") == one("1") | {"talk_s": 0, "answered": False}
    assert one("2")["account_code"] == "77"
    (item,) = items("siemens-hipath3000", "20.06.12|13:11:35|201|33388|00:02|00:00:07|0123456789||77|")
    assert isinstance(item, Reject)


def test_hipath_layouts_give_the_same() -> None:
    bars = leg("siemens-hipath3000", "20.06.12|13:11:35|201|33388|00:02|00:00:07|0123456789||2|")
    place = leg("siemens-hipath3000", "20.06.1213:11:35201 3338800:0200:00:070123456789" + " " * 27 + "2")
    words = leg("siemens-hipath3000", "20.06.12 13:11:35 201 33388 00:02 00:00:07 0123456789 2")
    assert bars == place == words


@pytest.mark.parametrize(
    ("origin", "target", "direction", "trunk"),
    [
        ("T010 016", "6101", "incoming", "T010 016"),
        ("A010016", "DN6101", "incoming", "A010016"),
        ("DN2343", "T010011", "outgoing", "T010011"),
        ("2343", "2344", "internal", None),
        ("T010016", "T011001", "tandem", "T011001"),
    ],
)
def test_cs1000_direction_from_the_two_ids(
    origin: str, target: str, direction: str, trunk: str | None
) -> None:
    fields = leg("nortel-cs1000", f"N 027 00 {origin} {target} 05/09 07:46 00:01:12 A 5551234")
    assert (fields["direction"], fields.get("trunk")) == (direction, trunk)
    assert fields["started_partial"] == "05-09T07:46"


def test_samsung_transfers_take_the_direction_of_their_trunk() -> None:
    rows = [
        item
        for item in items("samsung-officeserv", raw("samsung-officeserv/published"))
        if isinstance(item, Leg)
    ]
    assert [row.direction for row in rows] == [
        *("incoming", "incoming", "outgoing", "incoming", "outgoing", "outgoing", "outgoing"),
    ]
    assert "direction" not in leg("samsung-officeserv", "205 701 01/02 17:15:41 00:00:02 T 13054264100")


def test_freeswitch_direction_needs_the_site() -> None:
    line = raw("freeswitch/published").decode().splitlines()[0]
    assert "direction" not in leg("freeswitch", line)
    assert leg("freeswitch", line, internal_extensions="4 digits")["direction"] == "outgoing"
    assert leg("freeswitch", line, trunk_contexts=["public"])["direction"] == "incoming"


def test_3cx_field_order_is_the_owners() -> None:
    fields = ["time-start", "duration", "from-no", "to-no", "from-type", "to-type", "to-dn"]
    line = "2024/06/17 05:59:49,00:00:25,Ext.101,+4670,Extension,Line,10020"
    got = leg("3cx", line, fields=fields)
    assert (got["caller"], got["direction"], got["trunk"], got["talk_s"]) == ("101", "outgoing", "10020", 0)
    assert got["answered"] is False


def test_cs1000_later_legs_take_the_direction_of_the_first() -> None:
    first, last = "S 029 00 DN7447 T038000 04/04 15:02 8761344", "E 031 00 T038000 DN2221 04/04 15:07"
    seen = items("nortel-cs1000", f"{first}\r\n{last}")
    assert [item.direction for item in seen if isinstance(item, Leg)] == ["outgoing", "outgoing"]
    alone = leg("nortel-cs1000", last)
    assert "direction" not in alone
    assert (alone["extension"], alone["trunk"], alone["ended_partial"]) == ("2221", "T038000", "04-04T15:07")
    assert "direction" not in leg("nortel-cs1000", "S 029 00 T038000 04/04 15:02")
