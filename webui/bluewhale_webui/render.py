"""Templates to pages: Jinja2, everything escaped, a missing name is an error, texts from gettext catalogues."""

import gettext
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import jinja2

from bluewhale_webui import dial, formats, marks

LANGUAGES = ("en", "zh")
LOCALES = {"zh": "zh_Hans"}
TAGS = {"en": "en", "zh": "zh-Hans"}


@lru_cache(maxsize=4)
def translations(language: str) -> gettext.NullTranslations:
    """The catalogue of a language; English is the text of the source itself."""
    if language == "en":
        return gettext.NullTranslations()
    directory = Path(str(files("bluewhale_webui").joinpath("locale")))
    return gettext.translation("bluewhale", directory, [LOCALES[language]])


@lru_cache(maxsize=4)
def environment(language: str) -> jinja2.Environment:
    """The templates of a language, compiled once."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("bluewhale_webui", "views"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    texts = translations(language)
    made.install_gettext_callables(  # type: ignore[attr-defined]
        texts.gettext, texts.ngettext, newstyle=True, pgettext=texts.pgettext, npgettext=texts.npgettext
    )
    made.filters |= {
        "count": formats.count,
        "talk": formats.length,
        "amount": formats.amount,
        "unit": formats.unit,
        "size": formats.size,
        "dial": dial.markup,
        "dial_text": dial.plain,
        "length_words": lambda value: formats.length_words(value, language),
        "span": lambda value: formats.span(value, language),
        "day_words": lambda value: formats.date_words(formats.day_of(value), language),
        "day": lambda value: formats.day_of(value).isoformat(),
        "raw": marks.raw,
    }
    made.globals |= {
        "language": language,
        "tag": TAGS[language],
        "money": formats.money,
        "ago": lambda us, now_us: formats.ago(us, now_us, language),
        "stamp": formats.stamp,
        "clock": formats.clock,
    }
    return made


def render(language: str, template: str, **values: object) -> str:
    return environment(language).get_template(template).render(**values)


def best_language(accepted: str) -> str:
    """From an Accept-Language header: the first of ours by its weight, else English."""
    wishes: list[tuple[float, int, str]] = []
    for place, part in enumerate(accepted.split(",")[:20]):
        name, _, weight = part.partition(";q=")
        try:
            value = float(weight) if weight else 1.0
        except ValueError:
            continue
        wishes.append((-value, place, name.strip().lower()))
    for value, _, name in sorted(wishes):
        language = name.partition("-")[0]
        if language in LANGUAGES and value < 0:
            return language
    return "en"
