"""The developer's tool for the texts: collects them from the source, merges them into the catalogues, compiles.

    .venv/bin/python webui/catalogue.py          after a text was changed; then translate what is empty or fuzzy

Needs Babel, which is not on the box: the compiled .mo is part of the package.
"""

from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

PACKAGE = Path(__file__).parent / "bluewhale_webui"
DATE = datetime(2026, 1, 1, tzinfo=UTC)
LOCALES = ("zh_Hans",)
METHODS = [("**.py", "python"), ("views/**.html", "jinja2")]
OPTIONS = {"views/**.html": {"trim_blocks": "true", "lstrip_blocks": "true", "newstyle_gettext": "true"}}
KEYWORDS = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "N_": None,
    "text": None,
    "plural": (1, 2),
    "pgettext": ((1, "c"), 2),
}


def collected() -> Catalog:
    """All texts of the package, in the order of the source."""
    catalogue = Catalog(project="bluewhale", version="1")
    found = extract_from_dir(PACKAGE, METHODS, OPTIONS, keywords=KEYWORDS, comment_tags=())
    for name, line, message, _, context in found:
        catalogue.add(message, locations=[(name, line)], context=context)
    return catalogue


def file(locale: str, ending: str) -> Path:
    return PACKAGE / "locale" / locale / "LC_MESSAGES" / f"bluewhale.{ending}"


def read(locale: str) -> Catalog:
    with file(locale, "po").open("rb") as handle:
        return read_po(handle, locale=locale, domain="bluewhale")


def write(locale: str, catalogue: Catalog) -> None:
    """Both files; the header says nothing that changes by itself, so that equal texts are equal files."""
    catalogue.obsolete.clear()
    catalogue.fuzzy = False
    catalogue.header_comment = "# Texts of the pages. Collected and compiled by webui/catalogue.py."
    catalogue.project, catalogue.version, catalogue.msgid_bugs_address = "Bluewhale", "1", "none"
    catalogue.last_translator, catalogue.language_team = "Bluewhale", "Bluewhale"
    catalogue.creation_date = catalogue.revision_date = DATE
    with file(locale, "po").open("wb") as handle:
        write_po(handle, catalogue, no_location=True, width=110)
    file(locale, "mo").write_bytes(compiled(catalogue))


def compiled(catalogue: Catalog) -> bytes:
    out = BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def update(locale: str) -> tuple[int, int]:
    """Merges and compiles; (texts, texts still to translate)."""
    catalogue = read(locale) if file(locale, "po").exists() else Catalog(locale=locale, domain="bluewhale")
    catalogue.update(collected(), no_fuzzy_matching=True)
    write(locale, catalogue)
    left = [m for m in catalogue if m.id and not (all(m.string) if isinstance(m.string, tuple) else m.string)]
    return len(catalogue), len(left)


if __name__ == "__main__":
    for one in LOCALES:
        texts, left = update(one)
        print(f"{one}: {texts} texts, {left} to translate")  # noqa: T201
