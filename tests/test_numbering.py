"""numbering.py: what was dialled behind which site. The Chinese vectors come with the collected rules."""

import subprocess
import sys

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluewhale.ledger import china, numbering
from bluewhale.ledger.numbering import Site, normalise

BEIJING = Site(1, "main", 1, "Asia/Shanghai", "86", "10", ("9",), 8)
ZERO = Site(1, "main", 1, "Asia/Shanghai", "86", "10", ("0",), 8)
HARBOUR = Site(1, "main", 1, "Asia/Shanghai", "86", "754", (), 0)  # Shantou: 7 and 8 digits
LONDON = Site(1, "main", 1, "Europe/London", "44", "20", ("9",), 8)
NEW_YORK = Site(1, "main", 1, "America/New_York", "1", "212", ("9",), 7)
NOWHERE = Site(1, "main", 1)


@pytest.mark.parametrize(
    ("dialled", "key"),
    [
        ("962345678", "+861062345678"),
        ("9075512345678", "+8675512345678"),
        ("913910012345", "+8613910012345"),
        ("9013612345678", "+8613612345678"),
        ("900852 21234567", "+85221234567"),
        ("900 1 231 555 1234", "+12315551234"),
        ("912315", "12315"),
        ("995588 1 6222 0000 1111 2222", "95588"),
        ("9110", "110"),
        ("110", "110"),
        ("90755 12345", "+8675512345"),
        ("9 17909 0755 12345678", "17909+8675512345678"),
        ("9 17909 136 1234 5678", "17909+8613612345678"),
        ("9 17909 00852 21234567", "17909+85221234567"),
        ("9 4008123456", "4008123456"),
        ("9 193 0 755 12345678", "193+8675512345678"),
        ("9 19312345678", "+8619312345678"),
        ("9 62345678 8001", "+861062345678"),
        # beyond the vectors
        ("95588", "95588"),  # a bank, dialled without an access code: 5588 is nothing
        ("62345678", "+861062345678"),
        ("01062345678", "+861062345678"),
        ("+86 755 1234 5678", "+8675512345678"),
        ("0086 10 62345678", "+861062345678"),
        ("9008675512345678", "+8675512345678"),
        ("962345678-8001", "+861062345678"),
        ("62345678转8001", "+861062345678"),
        ("62345678 ext 8001", "+861062345678"),
        ("9 17900 123456789012 4711", "17900"),  # a card's number and PIN go no further
        ("9 17909", "17909"),
        ("9193 0139 1001 2345", "193+8613910012345"),
        ("9 10086 1", "10086"),
        ("9 10086#1", "10086"),
        ("9 1234567", "12345"),
        ("9 1064 123456789", "+861064123456789"),  # a machine: 13 digits
        ("00886 2 12345678", "+886212345678"),  # Taiwan ...
        ("90886 1234567", "+868861234567"),  # ... and Nujiang in Yunnan
    ],
)
def test_dialled_in_beijing(dialled, key):
    assert normalise(BEIJING, dialled, "outgoing") == key


@pytest.mark.parametrize(
    "dialled",
    [
        "",
        None,
        "8001",
        "*70",
        "#31#",
        "0852 1234567",
        "90",
        "9",
        "026 12345678",
        "00",
        "+",
        "000086",
        "2345678",
        "anonymous",
    ],
)
def test_what_fits_no_rule_stays_unknown(dialled):
    assert normalise(BEIJING, dialled, "outgoing") is None


def test_an_access_code_of_0_is_told_from_the_trunk_0():
    vectors = {
        "0 010 62345678": "+861062345678",
        "010 62345678": "+861062345678",
        "062345678": "+861062345678",
        "0013912345678": "+8613912345678",
        "0075512345678": "+8675512345678",
        "000852 21234567": "+85221234567",
        "0110": "110",
        "04008123456": "4008123456",
    }
    assert {dialled: normalise(ZERO, dialled, "outgoing") for dialled in vectors} == vectors


@pytest.mark.parametrize(
    ("presented", "key"),
    [
        *((number, "+861062345678") for number in ("01062345678", "1062345678", "861062345678", "008610 62345678", "+861062345678", "62345678")),
        *((number, "+8613912345678") for number in ("013912345678", "13912345678", "+8613912345678", "8613912345678", "1252013912345678")),
        ("075512345678", "+8675512345678"),
        ("75512345678", "+8675512345678"),
        ("95588", "95588"),
        ("62345678 8001", None),  # nobody presses keys after a number that the network sends
        ("85221234567", None),  # without 00 it is no number of this country, and no guess is made
    ],
)  # fmt: skip
def test_presented_to_beijing(presented, key):
    assert normalise(BEIJING, presented, "incoming") == key


def test_numbers_without_0_are_only_read_as_such_when_presented():
    assert normalise(BEIJING, "1062345678", "outgoing") is None


def test_areas_with_seven_and_eight_digits():
    assert normalise(HARBOUR, "2345678", "outgoing") == "+867542345678"
    assert normalise(HARBOUR, "82345678", "outgoing") == "+8675482345678"
    assert normalise(BEIJING, "2345678", "outgoing") is None
    assert len(china.AREAS) == 320 and china.AREAS["10"] == (8,) and china.AREAS["977"] == (7,)


def test_internal_numbers_stay_as_they_are():
    assert normalise(BEIJING, "8001", "internal") == "8001"


@pytest.mark.parametrize(
    ("site", "dialled", "key"),
    [
        (LONDON, "9 020 7946 0123", "+442079460123"),
        (LONDON, "02079460123", "+442079460123"),
        (LONDON, "9 7946 0123", "+442079460123"),
        (LONDON, "9 00 1 415 555 2671", "+14155552671"),
        (LONDON, "+14155552671", "+14155552671"),
        (LONDON, "999", "999"),
        (LONDON, "9999", "999"),
        (LONDON, "118118", "118118"),
        (LONDON, "12", None),
        (LONDON, "9 07700 900123 4567 8901", None),
        (NEW_YORK, "9 1 415 555 2671", "+14155552671"),
        (NEW_YORK, "9 555 2671", "+12125552671"),
        (NEW_YORK, "9 011 44 20 7946 0123", "+442079460123"),
        (NEW_YORK, "9911", "911"),
        (NOWHERE, "+442079460123", "+442079460123"),
        (NOWHERE, "02079460123", None),
    ],
)
def test_other_countries(site, dialled, key):
    assert normalise(site, dialled, "outgoing") == key


def test_digits():
    assert numbering.digits(" +44 20-7946 0123 x12") == "+442079460123"
    assert numbering.digits("9 0755-1234 5678,,8001") == "9075512345678"
    assert numbering.digits("*31#123") == "*31#123"
    assert numbering.digits(None) == numbering.digits("anonymous") == ""


@settings(max_examples=300)
@given(
    st.text(max_size=30) | st.text("0123456789+*#- ", max_size=30),
    st.sampled_from(["outgoing", "incoming", "tandem", None]),
)
def test_anything_is_a_number_or_none(text, direction):
    for site in (BEIJING, ZERO, HARBOUR):
        key = normalise(site, text, direction)
        assert key is None or (key and set(key) <= set("0123456789+"))


@pytest.mark.parametrize("area", sorted(china.AREAS))
def test_every_area_is_one_the_library_knows(area):
    """The library as oracle, with the number of digits our table gives."""
    for length in china.AREAS[area]:
        key = normalise(BEIJING, f"0{area}{'62345678'[:length]}", "outgoing")
        assert key == f"+86{area}{'62345678'[:length]}"
        assert phonenumbers.is_possible_number(phonenumbers.parse(key, None))


def test_the_library_is_loaded_when_first_needed():
    code = (
        "import sys; from bluewhale.ledger import numbering as n;"
        "n.normalise(n.Site(1, 'm', 1, country='86', area='10'), '62345678', 'outgoing');"
        "assert 'phonenumbers' not in sys.modules;"
        "n.normalise(n.Site(1, 'm', 1, country='44'), '02079460123', 'outgoing');"
        "assert 'phonenumbers' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
