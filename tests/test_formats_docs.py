"""docs/formats.md is what the data sheets say, and every family's options stand in it."""

from pathlib import Path

from bluewhale.formats import load_formats
from bluewhale.formats._readers import _KINDS
from bluewhale.formats._sheet import markdown

DOCS = Path(__file__).parent.parent / "docs"


def test_the_page_is_up_to_date() -> None:
    page = (DOCS / "formats.md").read_text(encoding="utf-8")
    assert page == markdown(load_formats()), "run: .venv/bin/bluewhale formats --markdown > docs/formats.md"


def test_the_page_has_everything() -> None:
    page, options = (DOCS / "formats.md").read_text(encoding="utf-8"), 0
    for fmt in load_formats().values():
        assert f"## {fmt.name}\n" in page
        assert fmt.sheet in page
        for option in fmt.options:
            options += 1
            assert f"`{option.name}`" in page
    assert options > 20


def test_every_reader_kind_is_described() -> None:
    page = (DOCS / "layouts.md").read_text(encoding="utf-8")
    assert len(_KINDS) >= 8
    for kind in _KINDS:
        assert f"| `{kind}` |" in page
