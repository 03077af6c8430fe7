"""e164.py against the library: the same answer for every number, or it is a bug here."""

import random

import phonenumbers
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType

from bluewhale.ledger import e164

COUNTRIES = (
    "AR", "AT", "AU", "BR", "CA", "CH", "CN", "DE", "ES", "FI", "FR", "GB", "HK", "HU", "IN", "IT", "JP", "KR", "KZ",
    "MX", "NL", "NO", "PL", "RU", "SE", "SG", "SM", "TR", "US", "VA", "ZA",
)  # fmt: skip
KINDS = [
    getattr(PhoneNumberType, kind)
    for kind in ("FIXED_LINE", "MOBILE", "TOLL_FREE", "PREMIUM_RATE", "VOIP", "UAN")
]
EACH = 1_200  # numbers a country: 37,200 in all


def samples(region, dice):
    """Numbers as people dial them: examples of the library, altered, behind all kinds of prefixes."""
    foreign = [phonenumbers.example_number(dice.choice(COUNTRIES)) for _ in range(40)]
    own = [number for kind in KINDS if (number := phonenumbers.example_number_for_type(region, kind))]
    code = str(phonenumbers.country_code_for_region(region))
    for _ in range(EACH):
        number = dice.choice(own + own + foreign)
        nsn = list(phonenumbers.national_significant_number(number))
        for _ in range(dice.choice((0, 0, 1, 3, 8))):
            nsn[dice.randrange(len(nsn))] = dice.choice("0123456789")
        digits = "".join(nsn)
        if dice.random() < 0.2:  # begins like the own country's code
            digits = code + digits[len(code) :]
        digits = dice.choice((digits, digits, digits, digits[:-1], digits[1:], digits + "0", digits * 2))
        prefix = dice.choice(
            ("", "0", "1", "8", "9", "00", "011", "001", "06", code, "0" + code, "+", "+" + code)
        )
        if number.country_code != int(code) or dice.random() < 0.2:
            prefix = dice.choice(("00", "011", "+", "0011", "000", "810", "010", "")) + str(
                number.country_code
            )
        yield prefix + digits


@pytest.mark.parametrize("region", COUNTRIES)
def test_it_agrees_with_the_library(region):
    dice = random.Random(region)
    found = 0
    for keys in samples(region, dice):
        answer = e164.valid(keys, region)
        assert answer == e164.by_library(keys, region), (region, keys)
        found += answer is not None
    assert found > EACH // 20  # the samples are not all nonsense


@pytest.mark.parametrize("code", sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE))
def test_it_agrees_for_every_calling_code(code):
    dice = random.Random(code)
    for region in phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]:
        number = (
            phonenumbers.example_number_for_non_geo_entity(code)
            if region == "001"
            else phonenumbers.example_number(region)
        )
        digits = phonenumbers.national_significant_number(number)
        for keys in (
            digits,
            digits[:-1] + dice.choice("0123456789"),
            digits[:-3] + str(dice.randrange(100, 999)),
        ):
            for dialled, home in (
                (f"+{code}{keys}", None),
                (f"00{code}{keys}", "GB"),
                (f"011{code}{keys}", "US"),
            ):
                assert e164.valid(dialled, home) == e164.by_library(dialled, home), (dialled, home)
        assert e164.valid(f"+{code}{digits}", None) == f"+{code}{digits}"


@settings(max_examples=1_500)
@given(st.from_regex(r"\+?[0-9]{1,22}", fullmatch=True), st.sampled_from((*COUNTRIES, None)))
@example("+00442079460123", "GB")  # nonsense after the +: read again without it
@example("+0", "GB")
@example("00", "GB")
@example("0", "IT")
@example("0" * 12, "IT")
@example("9" * 300, "DE")
def test_it_agrees_on_anything(keys, region):
    assert e164.valid(keys, region) == e164.by_library(keys, region)
