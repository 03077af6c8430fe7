"""Who a call belongs to: the Book of sites, directory, plans and pricing, and how an owner's change alters it.

A Book never changes: `apply` makes the next one, or says why not. Small ids are given in order of first use
and never taken back, so a rebuild from the journal gives the same ones: enterprise "default" and site "main"
are 1, department 0 is "unassigned". Unknown is never dropped, it is unassigned.
"""

from typing import Any, NamedTuple

import msgspec

from bluewhale.ledger import owner_values as values
from bluewhale.ledger import plan as plan_files
from bluewhale.ledger.numbering import Site
from bluewhale.model import CatalogueRow, Leg, Payer

KINDS = ("site", "plan", "pricing", "directory")
UNASSIGNED = 0


class Entry(msgspec.Struct, frozen=True):
    """Whose an extension is. Ids; 0 = nobody, unassigned."""

    person: int
    department: int
    enterprise: int


class PlanVersion(msgspec.Struct, frozen=True):
    """A plan as it stands. Each change of its content has an id of its own, so a line names what priced it."""

    id: int
    name: str
    version: int
    plan: plan_files.Plan
    tree: dict[str, Any]


class Pricing(msgspec.Struct, frozen=True):
    """Names of the plans in force: what the account pays, what the carrier takes, what it would have cost."""

    charge: str | None = None
    cost: str | None = None
    reference: str | None = None

    def names(self) -> list[str]:
        return [name for name in (self.charge, self.cost, self.reference) if name is not None]


class Book(msgspec.Struct, frozen=True):
    """Everything the fold asks about owners' settings. Department and person names are an enterprise's own."""

    enterprises: dict[str, int]
    site_ids: dict[str, int]
    sites: dict[str, Site]
    departments: dict[tuple[int, str], int]
    persons: dict[tuple[int, str], int]
    directory: dict[tuple[int, str], Entry]
    plans: dict[str, PlanVersion]
    plan_ids: int
    pricing: Pricing


class Paid(NamedTuple):
    enterprise: int
    site: int
    department: int
    person: int
    payer_kind: int
    payer: str | None


def new_book(zone: str = "UTC") -> Book:
    """The book of a box nobody has changed yet."""
    return Book(
        enterprises={"default": 1},
        site_ids={"main": 1},
        sites={"main": Site(id=1, name="main", enterprise=1, zone=zone)},
        departments={},
        persons={},
        directory={},
        plans={},
        plan_ids=0,
        pricing=Pricing(),
    )


def attribute(book: Book, site: Site, leg: Leg) -> Paid:
    """Who a leg's seconds belong to: the station charged, else the authorisation code, else the trunk."""
    if leg.extension:
        entry = book.directory.get((site.id, leg.extension))
        if entry is None:
            return Paid(site.enterprise, site.id, UNASSIGNED, 0, Payer.EXTENSION, leg.extension)
        return Paid(entry.enterprise, site.id, entry.department, entry.person, Payer.EXTENSION, leg.extension)
    if leg.auth_code:
        return Paid(site.enterprise, site.id, UNASSIGNED, 0, Payer.AUTH_CODE, leg.auth_code)
    trunk = leg.trunk_in or leg.trunk
    kind = Payer.TRUNK_GROUP if trunk else Payer.NONE
    return Paid(site.enterprise, site.id, UNASSIGNED, 0, kind, trunk or None)


def apply(book: Book, kind: str, key: str, value: Any) -> Book | str:
    """The book after an owner's change, or why it is refused. `value` None deletes."""
    change = {"site": _site, "plan": _plan, "pricing": _pricing, "directory": _directory}.get(kind)
    if change is None:
        return f"the book has no {kind}"
    try:
        return change(book, key, value)
    except values.Refused as refused:
        return str(refused)


def _site(book: Book, key: str, value: Any) -> Book:
    key = values.name(key, "site")
    known = book.sites.get(key)
    if value is None:
        if known is None:
            raise values.Refused(f'no site "{key}"')
        if key == "main":
            raise values.Refused('the site "main" stays')
        if any(site == known.id for site, _ in book.directory):
            raise values.Refused(f'extensions of the directory belong to the site "{key}"')
        return _with(book, sites={name: site for name, site in book.sites.items() if name != key})
    wanted = values.site(value)
    enterprises = _with_id(book.enterprises, wanted.enterprise)
    site_ids = _with_id(book.site_ids, key)
    site = Site(
        id=site_ids[key],
        name=key,
        enterprise=enterprises[wanted.enterprise],
        zone=wanted.zone,
        country=wanted.country,
        area=wanted.area,
        access_codes=tuple(wanted.access_codes),
        local_digits=wanted.local_digits,
    )
    return _with(book, enterprises=enterprises, site_ids=site_ids, sites=book.sites | {key: site})


def _plan(book: Book, key: str, value: Any) -> Book:
    key = values.name(key, "plan")
    known = book.plans.get(key)
    if value is None:
        if known is None:
            raise values.Refused(f'no plan "{key}"')
        if key in book.pricing.names():
            raise values.Refused(f'the plan "{key}" is in use: choose another one first')
        return _with(book, plans={name: plan for name, plan in book.plans.items() if name != key})
    tree = values.plan(value)
    if known and known.tree == tree:
        return book
    try:
        plan = plan_files.parse(tree)
    except plan_files.PlanError as error:
        raise values.Refused(str(error)) from error
    number = book.plan_ids + 1
    version = PlanVersion(number, key, known.version + 1 if known else 1, plan, tree)
    changed = _with(book, plans=book.plans | {key: version}, plan_ids=number)
    _one_currency(changed)
    return changed


def _pricing(book: Book, key: str, value: Any) -> Book:
    if key != "default":
        raise values.Refused(f'no pricing "{key}": there is only "default"')
    changed = _with(book, pricing=Pricing() if value is None else values.convert(value, Pricing))
    for name in changed.pricing.names():
        if name not in book.plans:
            raise values.Refused(f'no plan "{name}"')
    _one_currency(changed)
    return changed


def _one_currency(book: Book) -> None:
    """Saving and profit are differences: nothing here converts one currency to another."""
    used = {book.plans[name].plan.currency for name in book.pricing.names()}
    if len(used) > 1:
        raise values.Refused(
            f"charge, cost and reference need one currency, not {' and '.join(sorted(used))}"
        )


def _directory(book: Book, key: str, value: Any) -> Book:
    if key != "extensions":
        raise values.Refused(f'no directory "{key}": there is only "extensions"')
    change = values.directory(value)
    enterprises, departments, persons = dict(book.enterprises), dict(book.departments), dict(book.persons)
    directory = dict(book.directory)
    enterprise_names = {number: name for name, number in enterprises.items()}
    for gone in change.remove:
        directory.pop((_known_site(book, gone.site).id, gone.extension), None)
    for row in change.set:
        site = _known_site(book, row.site)
        name = row.enterprise or enterprise_names[site.enterprise]
        enterprise = enterprises.setdefault(name, len(enterprises) + 1)
        directory[(site.id, row.extension)] = Entry(
            person=_id_of(persons, enterprise, row.person),
            department=_id_of(departments, enterprise, row.department),
            enterprise=enterprise,
        )
    return _with(book, enterprises=enterprises, departments=departments, persons=persons, directory=directory)


def _known_site(book: Book, name: str) -> Site:
    site = book.sites.get(name)
    if site is None:
        raise values.Refused(f'no site "{name}"')
    return site


def _id_of(ids: dict[tuple[int, str], int], enterprise: int, name: str | None) -> int:
    return ids.setdefault((enterprise, name), len(ids) + 1) if name else UNASSIGNED


def _with_id(ids: dict[str, int], name: str) -> dict[str, int]:
    return ids if name in ids else ids | {name: len(ids) + 1}


def _with(book: Book, **changes: Any) -> Book:
    return msgspec.structs.replace(book, **changes)


def catalogue(old: Book, new: Book) -> list[CatalogueRow]:
    """The names that a step added (or a site that changed hands), for the catalogue in ledger.db."""
    rows = [
        CatalogueRow("enterprise", i, n, i) for n, i in new.enterprises.items() if n not in old.enterprises
    ]
    rows += [
        CatalogueRow("site", site.id, name, site.enterprise)
        for name, site in new.sites.items()
        if name not in old.sites or old.sites[name].enterprise != site.enterprise
    ]
    for kind, before, after in (
        ("department", old.departments, new.departments),
        ("person", old.persons, new.persons),
    ):
        if after is not before and len(after) > len(before):
            rows += [CatalogueRow(kind, i, n, e) for (e, n), i in after.items() if (e, n) not in before]
    rows += [
        CatalogueRow("plan", plan.id, name, value=plan.tree)
        for name, plan in new.plans.items()
        if name not in old.plans or old.plans[name].id != plan.id
    ]
    return rows


def dump(book: Book) -> dict[str, Any]:
    """The book whole, fit for JSON; plans as their trees."""
    return {
        "enterprises": book.enterprises,
        "site_ids": book.site_ids,
        "sites": {name: msgspec.to_builtins(site) for name, site in book.sites.items()},
        "departments": [[enterprise, name] for enterprise, name in book.departments],
        "persons": [[enterprise, name] for enterprise, name in book.persons],
        "directory": [
            [site, extension, e.person, e.department, e.enterprise]
            for (site, extension), e in book.directory.items()
        ],
        "plans": {name: [plan.id, plan.version, plan.tree] for name, plan in book.plans.items()},
        "plan_ids": book.plan_ids,
        "pricing": msgspec.to_builtins(book.pricing),
    }


def restore(saved: dict[str, Any]) -> Book:
    """The inverse of dump. Names without an id are in the order of their ids, from 1."""
    return Book(
        enterprises=dict(saved["enterprises"]),
        site_ids=dict(saved["site_ids"]),
        sites={name: msgspec.convert(site, Site) for name, site in saved["sites"].items()},
        departments={(e, n): at for at, (e, n) in enumerate(saved["departments"], 1)},
        persons={(e, n): at for at, (e, n) in enumerate(saved["persons"], 1)},
        directory={(row[0], row[1]): Entry(row[2], row[3], row[4]) for row in saved["directory"]},
        plans={
            name: PlanVersion(number, name, version, plan_files.parse(tree), tree)
            for name, (number, version, tree) in saved["plans"].items()
        },
        plan_ids=saved["plan_ids"],
        pricing=msgspec.convert(saved["pricing"], Pricing),
    )
