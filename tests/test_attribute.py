"""attribute.py: owner's changes make the next book or are refused; a leg is given to whom it belongs."""

import json

import pytest

from bluewhale.ledger import attribute
from bluewhale.ledger.attribute import Book, Entry, Paid, apply, new_book
from bluewhale.model import CatalogueRow, Leg, Payer


def tree(currency="EUR", price="1"):
    slots = [{"from_s": 0, "price": price, "per_s": 60, "increment_s": 1}]
    return {
        "name": "t",
        "currency": currency,
        "decimals": 2,
        "rounding": "up",
        "rate": [{"prefix": "", "slot": slots}],
    }


def book_after(*changes) -> Book:
    book = new_book("Europe/London")
    for kind, key, value in changes:
        book = apply(book, kind, key, value)
        assert isinstance(book, Book), book
    return book


SALES = {"extension": "201", "person": "Ann", "department": "Sales"}
NORTH = (
    "site",
    "north",
    {"enterprise": "Acme", "zone": "Asia/Shanghai", "country": "86", "area": "010", "access_codes": ["9"]},
)


def paid(book, **fields) -> Paid:
    return attribute.attribute(book, book.sites["main"], Leg(format="x", **fields))


def test_a_station_of_the_directory_pays_for_its_department():
    book = book_after(
        ("directory", "extensions", {"set": [SALES, {"extension": "202", "department": "Sales"}]})
    )
    assert paid(book, extension="201", auth_code="77") == (1, 1, 1, 1, Payer.EXTENSION, "201")
    assert paid(book, extension="202") == (1, 1, 1, 0, Payer.EXTENSION, "202")


def test_unknown_is_unassigned_never_dropped():
    book = new_book()
    assert paid(book, extension="999") == (1, 1, 0, 0, Payer.EXTENSION, "999")
    assert paid(book, auth_code="77", trunk="3") == (1, 1, 0, 0, Payer.AUTH_CODE, "77")
    assert paid(book, trunk="3", trunk_in="4") == (1, 1, 0, 0, Payer.TRUNK_GROUP, "4")
    assert paid(book, trunk="3") == (1, 1, 0, 0, Payer.TRUNK_GROUP, "3")
    assert paid(book) == (1, 1, 0, 0, Payer.NONE, None)


def test_one_extension_number_at_two_sites_is_two_extensions():
    rows = [{"extension": "201", "site": "north", "department": "Lab"}, SALES]
    book = book_after(NORTH, ("directory", "extensions", {"set": rows}))
    leg = Leg(format="x", extension="201")
    assert attribute.attribute(book, book.sites["north"], leg)[:4] == (2, 2, 1, 0)
    assert attribute.attribute(book, book.sites["main"], leg)[:4] == (1, 1, 2, 1)
    assert book.departments == {(2, "Lab"): 1, (1, "Sales"): 2}


def test_ids_are_given_in_order_and_never_taken_back():
    book = book_after(
        (
            "directory",
            "extensions",
            {"set": [SALES, {"extension": "2", "person": "Bob", "department": "Lab"}]},
        )
    )
    later = apply(book, "directory", "extensions", {"remove": [{"extension": "201"}, {"extension": "404"}]})
    assert later.directory == {(1, "2"): Entry(2, 2, 1)}
    again = apply(later, "directory", "extensions", {"set": [SALES, {"extension": "3", "department": "New"}]})
    assert again.directory[1, "201"] == Entry(1, 1, 1) and again.directory[1, "3"] == Entry(0, 3, 1)
    assert book.directory[1, "201"] == Entry(1, 1, 1), "a book never changes"
    site = book_after(NORTH, ("site", "north", None), ("site", "south", {}), NORTH)
    assert {name: s.id for name, s in site.sites.items()} == {"main": 1, "south": 3, "north": 2}


def test_a_site():
    site = book_after(NORTH).sites["north"]
    assert (site.zone, site.country, site.area, site.access_codes, site.enterprise) == (
        "Asia/Shanghai", "86", "10", ("9",), 2,
    )  # fmt: skip


def test_each_content_of_a_plan_has_an_id_of_its_own():
    first = book_after(("plan", "a", {"plan": tree()}), ("plan", "b", {"plan": tree()}))
    assert apply(first, "plan", "a", {"plan": tree()}) is first
    second = apply(first, "plan", "a", {"plan": tree(price="2")})
    assert [(p.name, p.id, p.version) for p in second.plans.values()] == [("a", 3, 2), ("b", 2, 1)]
    assert second.plans["a"].plan.rates[0].slots[0].price == 2
    gone = apply(second, "plan", "b", None)
    assert apply(gone, "plan", "b", {"plan": tree()}).plans["b"].id == 4


def test_pricing():
    book = book_after(("plan", "a", {"plan": tree()}), ("pricing", "default", {"charge": "a"}))
    assert book.pricing.charge == "a" and book.pricing.cost is None
    assert apply(book, "pricing", "default", None).pricing.charge is None


@pytest.mark.parametrize(
    ("kind", "key", "value", "why"),
    [
        ("colour", "x", {}, "has no colour"),
        ("site", "", {}, "not a name"),
        ("site", " x", {}, "not a name"),
        ("site", "x", {"zone": "Mars"}, 'zone: "Mars"'),
        ("site", "x", {"country": "+86"}, 'country: "+86" is not up to 6 digits'),
        ("site", "x", {"access_codes": ["9", ""]}, "an empty one"),
        ("site", "x", {"local_digits": 20}, "local_digits"),
        ("site", "x", {"colour": 1}, "unknown key `colour`"),
        ("site", "main", None, "stays"),
        ("site", "x", None, 'no site "x"'),
        ("plan", "b", {"plan": tree() | {"decimals": 9}}, "decimals: 9 is not 0 to 6"),
        ("plan", "b", {"plan": []}, "plan: wanted is a table"),
        ("plan", "b", None, 'no plan "b"'),
        ("plan", "a", None, "in use"),
        ("plan", "a", {"plan": tree("USD")}, "one currency, not CNY and USD"),
        ("pricing", "x", {}, 'no pricing "x"'),
        ("pricing", "default", {"charge": "b"}, 'no plan "b"'),
        ("pricing", "default", {"charge": "usd"}, None),
        ("pricing", "default", {"charge": "usd", "cost": "c"}, "one currency, not CNY and USD"),
        ("directory", "x", {}, "no directory"),
        ("directory", "extensions", {"set": [{"extension": ""}]}, "row 1: not an extension"),
        ("directory", "extensions", {"set": [{"extension": "1"}], "remove": [{"extension": " 2"}]}, "row 2"),
        ("directory", "extensions", {"set": [{"extension": "1", "site": "x"}]}, 'no site "x"'),
        (
            "directory",
            "extensions",
            {"set": [{"extension": "1", "person": "a\nb"}]},
            "not a name for a person",
        ),
        ("directory", "extensions", {"set": [{"extension": 201}]}, "set[0].extension: wanted is text"),
    ],
)
def test_refusals(kind, key, value, why):
    book = book_after(
        ("plan", "a", {"plan": tree("CNY")}),
        ("plan", "usd", {"plan": tree("USD")}),
        ("plan", "c", {"plan": tree("CNY")}),
        ("pricing", "default", {"charge": "a", "cost": "c"}),
    )
    before = attribute.dump(book)
    outcome = apply(book, kind, key, value)
    if why is None:
        assert isinstance(outcome, Book)
    else:
        assert isinstance(outcome, str) and why in outcome
    assert attribute.dump(book) == before


def test_a_site_with_extensions_stays():
    book = book_after(NORTH, ("directory", "extensions", {"set": [{"extension": "1", "site": "north"}]}))
    assert apply(book, "site", "north", None) == 'extensions of the directory belong to the site "north"'


def test_dump_and_restore():
    book = book_after(
        NORTH,
        ("plan", "a", {"plan": tree()}),
        ("plan", "a", {"plan": tree(price="2")}),
        ("pricing", "default", {"charge": "a"}),
        (
            "directory",
            "extensions",
            {"set": [SALES, {"extension": "1", "site": "north", "person": "Bo", "enterprise": "X"}]},
        ),
        ("directory", "extensions", {"remove": [{"extension": "201"}]}),
    )
    back = attribute.restore(json.loads(json.dumps(attribute.dump(book))))
    assert attribute.dump(back) == attribute.dump(book)
    assert back.sites == book.sites and back.directory == book.directory and back.pricing == book.pricing
    changed = ("directory", "extensions", {"set": [{"extension": "7", "person": "New", "department": "D"}]})
    assert attribute.dump(apply(back, *changed)) == attribute.dump(apply(book, *changed))


def test_catalogue_lists_what_a_step_added():
    old = book_after(("directory", "extensions", {"set": [SALES]}))
    new = apply(old, *NORTH)
    new = apply(new, "plan", "a", {"plan": tree()})
    new = apply(
        new, "directory", "extensions", {"set": [SALES, {"extension": "5", "site": "north", "person": "Cy"}]}
    )
    assert attribute.catalogue(old, new) == [
        CatalogueRow("enterprise", 2, "Acme", 2),
        CatalogueRow("site", 2, "north", 2),
        CatalogueRow("person", 2, "Cy", 2),
        CatalogueRow("plan", 1, "a", value=tree()),
    ]
    assert attribute.catalogue(new, new) == []
