"""Cisco Unified Communications Manager: CDR flat files.

Feed:       Files that CUCM pushes by SFTP each minute (cdr_CLUSTER_NODE_YYYYMMDDHHMM_SEQ), one source a file.
PBX:        Serviceability > Tools > CDR Management: billing application server, path and password of the box;
            service parameters "CDR Enabled" and, if wanted, "CDR Log Calls with Zero Duration".
Source:     Call Reporting and Billing Administration Guide, releases 8.5 to 15. No verbatim data row was found
            in public; the value tables of the guide are the corpus.
Integrity:  strong: the header line names every column. Columns are taken by name, never by place (94 columns in
            5.x, over 130 now).

    "cdrRecordType","globalCallID_callManagerId","globalCallID_callId","origLegCallIdentifier",...
    INTEGER,INTEGER,INTEGER,INTEGER,...
    1,1,388289,17586046,...

Record type 1 is a call leg; 0 (start) is counted as skipped. 2 is a CMR, the voice quality one device saw: a signal of
the same call, `leg` in it is the leg's number in the CDR. A CMR row without its own header is read by the order of the
guide (proven by one row). Times are UTC.
Direction is read from the two devices: names that fit `trunk_devices` (default: with @, as gateways have) are
trunks, names that fit `internal_devices` or `conference_devices` belong to the site; where one fits neither,
the direction is absent (with `trunk_devices` alone, every other device is a station). A record written after a transfer or conference reads as its two ends stand, which
may not be the direction of the call: correlation takes that from the first record of the external leg.
"""

from typing import Any

import msgspec

from bluewhale.formats._join import Joins, Link
from bluewhale.formats._layout import (
    Context,
    Delimited,
    Fault,
    Format,
    Headed,
    Integrity,
    Option,
    Row,
    digits,
    epoch,
    number,
    text,
)
from bluewhale.formats._site import any_of, memo
from bluewhale.model import Signal, Why

ZERO = ("0",)
SPLIT = frozenset({"393216", "126"})  # call split: a transfer or conference goes on in another record
Q850 = {str(cause): cause for cause in range(1, 128) if str(cause) not in SPLIT}

LAYOUT = Headed(
    (
        text("_type", "cdrRecordType", need=True),
        text("_manager", "globalCallID_callManagerId", need=True),
        text("_call", "globalCallID_callId", need=True),
        text("_cluster", "globalCallId_ClusterID"),
        epoch("started_utc", "dateTimeOrigination", note="off-hook, or call received"),
        epoch("answered_utc", "dateTimeConnect", note="0 = never connected"),
        epoch("ended_utc", "dateTimeDisconnect"),
        number("talk_s", "duration"),
        digits("caller", "callingPartyNumber"),
        digits("called", "originalCalledPartyNumber", note="after translation"),
        digits("_final", "finalCalledPartyNumber"),
        text("_from", "origDeviceName"),
        text("_to", "destDeviceName"),
        text("_pilot", "huntPilotDN"),
        text("extra.orig_cause", "origCause_value", blank=ZERO),
        text("extra.dest_cause", "destCause_value", blank=ZERO),
        text("auth_code", "authorizationCodeValue", note="forced authorization code"),
        text("account_code", "clientMatterCode", note="client matter code"),
        text("extra.pkid", "pkid", note="identity of the record"),
        text("extra.orig_leg", "origLegCallIdentifier", blank=ZERO),
        text("extra.dest_leg", "destLegIdentifier", blank=ZERO),
        text("extra.dest_leg", "destLegCallIdentifier", blank=ZERO, note="the same under its other name"),
        text("extra.last_redirect", "lastRedirectDn"),
        text("extra.outpulsed", "outpulsedCalledPartyNumber", note="what left to the network"),
        text("extra.join", "joinOnBehalfOf", blank=ZERO),
        text("extra.orig_ended_by", "origCallTerminationOnBehalfOf", blank=ZERO),
        text("extra.dest_ended_by", "destCallTerminationOnBehalfOf", blank=ZERO),
        text("extra.redirect_by", "lastRedirectRedirectOnBehalfOf", blank=ZERO),
        text("extra.redirect_reason", "lastRedirectRedirectReason", blank=ZERO),
        text("extra.orig_redirect_reason", "origCalledPartyRedirectReason", blank=ZERO),
        text("extra.orig_conversation", "origConversationId", blank=ZERO),
        text("extra.dest_conversation", "destConversationId", blank=ZERO),
        text("extra.comment", "comment"),
        text("extra.auth_description", "authCodeDescription"),
        text("extra.queued_s", "totalWaitTimeInQueue", blank=ZERO),
        text("extra.mobile_type", "mobileCallType", blank=ZERO),
        text("extra.mobile_called", "finalMobileCalledPartyNumber"),
        text("extra.mobile_caller", "mobileCallingPartyNumber"),
        digits("_cmr_number", "directoryNum", note="CMR, as all below"),
        text("_cmr_leg", "callIdentifier"),
        epoch("_stamp", "dateTimeStamp"),
        number("_cmr_packets_sent", "numberPacketsSent"),
        number("_cmr_octets_sent", "numberOctetsSent"),
        number("_cmr_packets_received", "numberPacketsReceived"),
        number("_cmr_octets_received", "numberOctetsReceived"),
        number("_cmr_packets_lost", "numberPacketsLost"),
        number("_cmr_jitter_ms", "jitter"),
        number("_cmr_latency_ms", "latency"),
        text("_cmr_device", "deviceName"),
    ),
    head=r'"?cdrRecordType"?,',
    name="CDR, and CMR under its own header",
    shape=r'"?[01]"?,"?\d+"?,"?\d+"?,|"?cdrRecordType"?,',
)
CMR_ORDER = (
    *(
        "cdrRecordType",
        "globalCallID_callManagerId",
        "globalCallID_callId",
        "nodeId",
        "directoryNum",
        "callIdentifier",
    ),
    *(
        "dateTimeStamp",
        "numberPacketsSent",
        "numberOctetsSent",
        "numberPacketsReceived",
        "numberOctetsReceived",
    ),
    *(
        "numberPacketsLost",
        "jitter",
        "latency",
        "pkid",
        "directoryNumPartition",
        "globalCallId_ClusterID",
        "deviceName",
    ),
)
CMR = Delimited(
    (
        text("_type", 0, need=True),
        text("_manager", 1, need=True),
        text("_call", 2, need=True),
        text("_cluster", 16),
        *(
            msgspec.structs.replace(column, at=CMR_ORDER.index(str(column.at)))
            for column in LAYOUT.columns
            if column.field.startswith("_cmr_") or column.field in ("_stamp", "extra.pkid")
        ),
    ),
    quote='"',
    least=18,
    shape=r'"?2"?,"?\d+"?,"?\d+"?,',
    name="CMR without a header",
    aside=True,
)


class Site(msgspec.Struct):
    direction: Any  # (calling device, called device) -> direction, "" where it cannot be told
    owner: dict[str, str]  # device -> extension
    conference_prefix: str


def prepare(options: dict[str, Any]) -> Site:
    """Shipped patterns know Cisco's own names; the owner's lists come before them."""
    named_trunk = any_of(options.get("trunk_devices", []))
    # A full list of trunks and none of stations: what is no trunk is a station.
    other = "station" if "trunk_devices" in options and "internal_devices" not in options else "unknown"
    station = any_of(options.get("internal_devices", ["SEP*", "BOT*", "TCT*", "CSF*", "TAB*", "ATA*"]))
    conference = any_of(options.get("conference_devices", ["CFB_*"]))

    def side(device: str) -> str:
        if named_trunk(device):
            return "trunk"
        if station(device):
            return "station"
        if conference(device):
            return "conference"
        if "@" in device and "trunk_devices" not in options:
            return "trunk"
        return other if device else "unknown"

    def direction(ends: tuple[str, str]) -> str:
        return DIRECTIONS.get((side(ends[0]), side(ends[1])), "")

    return Site(
        memo(direction), options.get("device_owner", {}), options.get("conference_number_prefix", "b00")
    )


DIRECTIONS = {
    ("station", "trunk"): "outgoing",
    ("conference", "trunk"): "outgoing",
    ("trunk", "station"): "incoming",
    ("trunk", "conference"): "incoming",
    ("trunk", "trunk"): "tandem",
    ("station", "station"): "internal",
    ("station", "conference"): "internal",
    ("conference", "station"): "internal",
}


def quality(row: Row, name: str) -> Signal:
    """A CMR: joined to the call by its id, and to the leg by extra `leg`."""
    kept = {key[5:]: str(value) for key, value in row.items() if key.startswith("_cmr_")}
    return Signal(
        format=name,
        what="quality",
        correlation_id=f"{row.get('_cluster', '')}/{row['_manager']}/{row['_call']}",
        caller=kept.pop("number", None),
        at_utc=row.get("_stamp"),
        extra=kept | row.get("extra", {}),
    )


def finish(row: Row, context: Context) -> Row | Signal | None:
    take, site = row.pop, context.site
    if row["_type"] == "2":
        return quality(row, context.name)
    manager, call, cluster = take("_manager"), take("_call"), take("_cluster", "")
    final, pilot = take("_final", None), take("_pilot", None)
    origin, target = take("_from", ""), take("_to", "")
    if take("_type") != "1":
        return None
    if "_stamp" in row or any(field.startswith("_") for field in row):
        raise Fault(Why.BAD_FIELD, "a call under the header of a CMR file")
    row["correlation_id"] = f"{cluster}/{manager}/{call}"
    row["answered"] = "answered_utc" in row
    extra = row.setdefault("extra", {})
    if origin:
        extra["orig_device"] = origin
    if target:
        extra["dest_device"] = target
    ends = extra.get("orig_cause"), extra.get("dest_cause")
    row["continues"] = ends[0] in SPLIT or ends[1] in SPLIT
    cause = Q850.get(ends[0]) or Q850.get(ends[1])
    if cause:
        row["cause"] = cause
    called = row.get("called")
    if final and final != called:
        extra["final_called"] = final
        if not called:
            row["called"] = final
    direction = site.direction((origin, target))
    if not direction:
        return row
    row["direction"] = direction
    if direction == "incoming":
        row["trunk"] = origin
        station = site.owner.get(target)
        if station is None and final and final != pilot and not final.startswith(site.conference_prefix):
            station = final
        if station:
            row["extension"] = station
        return row
    if direction == "tandem":
        row["trunk_in"], row["trunk"] = origin, target
        return row
    if direction == "outgoing":
        row["trunk"] = target
    if "caller" in row:
        row["extension"] = row["caller"]
    return row


FEATURE = "^(4|10|17|18)$"  # conference, transfer, refer, replaces
BY_FEATURE = ("extra.orig_ended_by", FEATURE)

FORMAT = Format(
    name="cisco-cucm",
    title="Cisco Unified Communications Manager",
    layouts=(LAYOUT, CMR),
    integrity=Integrity.STRONG,
    prepare=prepare,
    finish=finish,
    skip=(r'^"?INTEGER"?,',),  # the type line below the header
    options=(
        Option(
            "trunk_devices", "texts", "gateway and trunk names; * stands for anything; default: names with @"
        ),
        Option("internal_devices", "texts", "station names; default SEP*, BOT*, TCT*, CSF*, TAB*, ATA*"),
        Option("conference_devices", "texts", "conference bridges; default CFB_*"),
        Option("conference_number_prefix", "text", "what numbers of a bridge begin with; default b00"),
        Option("device_owner", "table", "device to extension, for hunt groups that hide the member's number"),
        Option("mobile_owner", "table", "mobile number to extension; the ledger reads it"),
        Option("wait_open_leg_s", "number", "how long to wait for a missing leg; the ledger reads it"),
    ),
    join=Joins(
        key=("correlation_id",),
        identity=("extra.pkid",),
        links=(
            *(  # the same party: a leg's number is its cluster's own
                Link((one, "correlation_id/cluster"), (other, "correlation_id/cluster"))
                for one, other in (
                    ("extra.dest_leg", "extra.orig_leg"),
                    ("extra.orig_leg", "extra.orig_leg"),
                    ("extra.dest_leg", "extra.dest_leg"),
                )
            ),
            *(  # the final record is lacking: the station that split one call asks in another
                Link(
                    (device,),
                    ("extra.orig_device",),
                    when="follows",
                    slack_s=30,
                    one_has=((f"extra.{end}_ended_by", FEATURE), ("continues", "True")),
                    other_has=(("direction", "internal|outgoing"), ("continues", "True"), BY_FEATURE),
                    open_only=True,
                )
                for device, end in (("extra.orig_device", "orig"), ("extra.dest_device", "dest"))
            ),
            Link(  # the last two of a conference, under a new number
                ("caller",),
                ("caller",),
                when="follows",
                slack_s=1,
                one_has=(("extra.dest_conversation", r"\d"),),
                other_has=(("extra.join", "^4$"),),
                open_only=True,
            ),
        ),
        circuit=("extra.orig_leg", "extra.dest_leg"),
        seconds="span",
        bridge=(("called", "b00"),),
        joined="extra.join",
        window_s=24 * 3600,
        done="continues",
    ),
)
