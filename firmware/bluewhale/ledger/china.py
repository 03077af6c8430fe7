"""Chinese numbers as a PBX writes them, brought to one form (docs/plans.md, "Numbers of Chinese sites").

Source: the collected numbering facts (area codes complete against two independent sets; classes of short
numbers as in MIIT's plan of 2017). A number that fits no rule is None: kept as dialled, never guessed.
Digits dialled after the answer (an IVR's menu, a card number, a password) are cut off and not kept.
"""

import re

import msgspec

# Area codes in service without the trunk 0, by how many digits a subscriber's number has.
_EIGHT = """
    10 20 21 22 23 24 25 27 28 29 311 371 377 379 411 431 432 451 510 511 512 513 514 515 516 517 518 519
    523 527 531 532 551 571 573 574 575 576 577 579 591 595 731 755 757 760 769 791 871 898
"""
_SEVEN_OR_EIGHT = "433 435 754 851"
_SEVEN = """
    310 312 313 314 315 316 317 318 319 335 349 350 351 352 353 354 355 356 357 358 359 370 372 373 374 375
    376 391 392 393 394 395 396 398 412 415 416 417 418 419 421 427 429 434 436 437 438 439 452 453 454 455
    456 457 458 459 464 467 468 469 470 471 472 473 474 475 476 477 478 479 482 483 530 533 534 535 536 537
    538 539 543 546 550 552 553 554 555 556 557 558 559 561 562 563 564 566 570 572 578 580 592 593 594 596
    597 598 599 631 632 633 635 660 662 663 668 691 692 701 710 711 712 713 714 715 716 717 718 719 722 724
    728 730 734 735 736 737 738 739 743 744 745 746 750 751 752 753 756 758 759 762 763 766 768 770 771 772
    773 774 775 776 777 778 779 790 792 793 794 795 796 797 798 799 812 813 816 817 818 825 826 827 830 831
    832 833 834 835 836 837 838 839 854 855 856 857 858 859 870 872 873 874 875 876 877 878 879 883 886 887
    888 891 892 893 894 895 896 897 901 902 903 906 908 909 911 912 913 914 915 916 917 919 930 931 932 933
    934 935 936 937 938 939 941 943 951 952 953 954 955 970 971 972 973 974 975 976 977 979 990 991 992 993
    994 995 996 997 998 999
"""
AREAS: dict[str, tuple[int, ...]] = {}
for _codes, _lengths in ((_EIGHT, (8,)), (_SEVEN_OR_EIGHT, (7, 8)), (_SEVEN, (7,))):
    AREAS |= dict.fromkeys(_codes.split(), _lengths)

# Short numbers that are whole at a known length, and then those that may go on in the caller's keys.
_SHORT = re.compile(
    r"""11[0-47-9] | 12[0-2] | 10[03] | 999 | 16[39]          # emergency, fault desk, directory, clock, operator
    | 100\d\d | 1010\d{4} | 1019[0-2] | 10800\d{5,7}          # operators' desks, companies, freephone from abroad
    | 111\d{2,3} | 1118\d | 116\d{3} | 118\d{2,3}             # companies' service codes, EMS, directories
    | 12110\d{0,3} | 12[13]\d\d | 125\d\d | 12[6-9]\d{2,3}   # government, information
    | 16[08]\d{2,5} | 955\d\d | 95(?!0|5)\d{3,6} | 950\d{2} | 950\d{7,8} | 96\d{3,4}
    | [48]00\d{7}""",
    re.VERBOSE,
)
_SHORT_AND_MORE = re.compile(r"[48]00\d{7}|955\d\d|95\d{3}|96\d{3}|100\d\d|12[13]\d\d|118114|116114")
_CARD_CODES = ("17900", "17910", "17950")  # a card number and its PIN follow: never kept
_CARRIER = re.compile(r"19[0367](?=0\d{10,})")  # carrier selection of old records; 11 digits are a mobile
_MOBILE = re.compile(r"1[3-9]\d{9}")
_IOT = re.compile(r"14\d{11}|1064\d{9}")


class Number(msgspec.Struct, frozen=True):
    """`key` is what a plan's prefixes are compared with; `more`: digits after it were cut off."""

    key: str
    more: bool = False


def fit(digits: str, area: str, local_digits: int, incoming: bool) -> Number | None:
    """The number that `digits` (with a leading + perhaps) are, dialled from or presented at `area`.

    Nothing is pressed after a number that the network presents: it is whole or unknown.
    """
    if incoming:
        number = _fit(digits, area, local_digits)
        if number is None or number.more:
            number = _presented(digits, area, local_digits)
        return number
    return _fit(digits, area, local_digits)


def _fit(digits: str, area: str, local_digits: int) -> Number | None:
    if digits.startswith(("+", "00")):
        return _international(digits.lstrip("+") if digits[0] == "+" else digits[2:])
    if digits.startswith("179") and len(digits) >= 5:
        return _by_ip(digits, area)
    if _SHORT.fullmatch(digits):
        return Number(digits)
    carrier = _CARRIER.match(digits)
    if carrier:
        return _behind(carrier[0], _long_distance(digits[3:]))
    if digits.startswith("0"):
        return _long_distance(digits)
    subscriber = _mobile(digits) or _local(digits, area, local_digits)
    if subscriber is None or subscriber.more:
        short = _SHORT_AND_MORE.match(digits)
        return Number(short[0], more=True) if short else subscriber
    return subscriber


def _international(digits: str) -> Number | None:
    if digits.startswith("86"):
        rest = digits[2:]
        return _mobile(rest) or _fixed(rest)
    if digits.startswith("0") or not 7 <= len(digits) <= 15:
        return None
    return Number("+" + digits)


def _by_ip(digits: str, area: str) -> Number | None:
    """An IP telephony access code: the local call to it, or the code in front of what it leads to."""
    code, rest = digits[:5], digits[5:]
    if not rest or code in _CARD_CODES:
        return Number(code, more=bool(rest))
    if rest.startswith("00"):
        return _behind(code, _international(rest[2:]))
    if rest.startswith("0"):
        return _behind(code, _long_distance(rest))
    return _behind(code, _mobile(rest) or _local(rest, area, 0))


def _behind(code: str, number: Number | None) -> Number | None:
    return None if number is None else Number(code + number.key, number.more)


def _long_distance(digits: str) -> Number | None:
    """0 and a mobile, 0 and an area code with a subscriber's or a short number."""
    rest = digits[1:]
    if re.match("1[3-9]", rest):
        return _mobile(rest)
    return _fixed(rest)


def _mobile(digits: str) -> Number | None:
    if _IOT.fullmatch(digits):
        return Number("+86" + digits)
    mobile = _MOBILE.match(digits)
    return Number("+86" + mobile[0], more=len(digits) > 11) if mobile else None


def _fixed(digits: str) -> Number | None:
    """An area code without its 0 and what follows it."""
    area = digits[: 2 if digits[:1] in ("1", "2") else 3]
    lengths = AREAS.get(area)
    if lengths is None:
        return None
    rest = digits[len(area) :]
    if len(rest) in lengths or (_SHORT.fullmatch(rest) and not rest.startswith(("4", "8"))):
        return Number("+86" + digits)
    if len(rest) > lengths[-1]:
        return Number("+86" + digits[: len(area) + lengths[-1]], more=True)
    return None


def _local(digits: str, area: str, local_digits: int) -> Number | None:
    """A subscriber's number of the trunk's own area."""
    lengths = (local_digits,) if local_digits else AREAS.get(area, ())
    if digits[:1] not in tuple("2345678") or not lengths:
        return None
    if len(digits) in lengths:
        return Number(f"+86{area}{digits}")
    if len(digits) > lengths[-1]:
        return Number(f"+86{area}{digits[: lengths[-1]]}", more=True)
    return None


def _presented(digits: str, area: str, local_digits: int) -> Number | None:
    """A caller's number without its 0, with 86, or behind a message service's 12520."""
    for front in ("86", "12520"):
        if digits.startswith(front) and len(digits) > 10:
            inner = fit(digits[len(front) :], area, local_digits, True)
            if inner and inner.key.startswith("+86"):
                return inner
    found = _fixed(digits) if 10 <= len(digits) <= 11 else None
    return None if found is None or found.more else found
