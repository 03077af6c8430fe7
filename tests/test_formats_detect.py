"""Detection: evidence named, weak formats need records, close ones are not decided, noise is nobody's."""

import random

import pytest

from accept import raw
from bluewhale.formats import Guess, decide, detect, load_formats
from bluewhale.formats._detect import _decided


def ipo(count: int) -> bytes:
    return b"\r\n".join(raw("avaya-ipoffice/published").splitlines()[:count]) + b"\r\n"


def test_one_record_of_a_strong_format_is_enough() -> None:
    for case in ("avaya-ipoffice/published", "asterisk/published"):
        first = raw(case).splitlines(True)[0]
        (best, *rest) = detect(first)
        assert not rest
        assert best.format == case.partition("/")[0]
        assert best.sure


def test_a_weak_format_needs_several_records_or_the_end() -> None:
    line = b"010526 0905 0033 00200 7       345            4445678      58888          033 00001001231767603600\r\n"
    (one,) = detect(line)
    assert not one.sure
    assert decide([one]) is None
    assert decide([one], ended=True) == one
    (many,) = detect(line * 6)
    assert many.sure
    assert many.score > one.score


def test_evidence_says_what_was_seen() -> None:
    (best,) = detect(ipo(6) + b"garbage\r\n")
    assert best.evidence.startswith("6 of 7 records parse; ")
    assert "dates" in best.evidence
    assert "durations plausible" in best.evidence
    assert 0.5 < best.score < detect(ipo(6))[0].score


def test_dates_that_run_backward_cost_and_tell_the_order() -> None:
    """Days and months that both fit: the order in which time runs forward wins."""
    days = [
        b"01/0%d/26 10:15AM  1200 01 5551234                          00:01'05\r\n" % day
        for day in range(1, 7)
    ]
    (best,) = detect(b"".join(days))
    assert best.options == {}
    days = [
        b"0%d/01/26 10:15AM  1200 01 5551234                          00:01'05\r\n" % day
        for day in range(1, 7)
    ]
    (best,) = detect(
        b"".join([*days, b"01/02/26 10:15AM  1200 01 5551234                          00:01'05\r\n"])
    )
    assert best.options == {"date_order": "dd/mm/yy"}


def test_several_connections_are_weighed_together() -> None:
    lines = ipo(4).splitlines(True)
    half = len(lines[1]) // 2
    (best,) = detect([lines[0] + lines[1][:half], lines[2] + lines[3]])
    assert best.evidence.startswith("3 of 4 records parse")


def test_names_limit_the_candidates() -> None:
    assert detect(ipo(3), ["panasonic", "asterisk"]) == []
    assert [guess.format for guess in detect(ipo(3), ["avaya-ipoffice"])] == ["avaya-ipoffice"]


def test_two_close_candidates_are_not_decided() -> None:
    close = [Guess("a", 0.95, "", True), Guess("b", 0.9, "", True)]
    assert [guess.sure for guess in _decided(close)] == [False, False]
    assert decide(_decided(close), ended=True) is None
    apart = [Guess("a", 0.95, "", True), Guess("b", 0.4, "", False)]
    assert decide(_decided(apart)) == apart[0]
    assert decide([]) is None


@pytest.mark.parametrize("seed", range(5))
def test_random_bytes_and_text_are_nobodys(seed: int) -> None:
    rng = random.Random(seed)
    noise = rng.randbytes(20_000)
    letters = "".join(rng.choice("0123456789 ,/:'\"ABCDEI\r\n") for _ in range(20_000)).encode()
    prose = b"".join(
        b"%d. The quick brown fox, at 12:30:0%d, of 2008/06/28\r\n" % (n, n % 9) for n in range(100)
    )
    for data in (noise, letters, prose, b"", b"\r\n" * 50, b"\0" * 5000):
        assert detect(data) == []


def test_every_family_is_tried_under_options_it_accepts() -> None:
    for fmt in load_formats().values():
        assert fmt.dialects or fmt.resolve  # custom is never detected
        for options in fmt.dialects:
            assert detect(b"x\n", [fmt.name]) == []
            assert isinstance(options, dict)
