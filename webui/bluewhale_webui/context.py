"""A request on its way through a view: who asks, in which language, with what, and how to answer."""

import hashlib
import time
from typing import Any
from urllib.parse import urlencode

import bottle

from bluewhale import owner
from bluewhale.health import reads as health
from bluewhale.journal.client import CaptureAway, Refused
from bluewhale.model import Scope, parse_origin
from bluewhale.store import reads
from bluewhale_webui import access, csrf, render, rights, texts
from bluewhale_webui.answers import Answer, NotModified, Problem, see
from bluewhale_webui.web import Web

HEALTH_OLD_US = 10_000_000
NAVIGATION = (
    # (address, text, who, addresses below it)
    ("/", "Home", rights.EVERYONE, ()),
    ("/calls", "Calls", rights.EVERYONE, ()),
    ("/reports", "Reports", rights.EVERYONE, ()),
    ("/directory", "Directory", rights.STAFF, ()),
    ("/prices", "Prices", rights.MONEY, ()),
    ("/box", "Box", rights.TECHNICAL, ("/feeds", "/rejects", "/alarms", "/sites", "/users", "/log")),
)


class Context:
    """One request. Made by app.py, used by one view, forgotten."""

    def __init__(self, web: Web, request: bottle.LocalRequest) -> None:
        self.web = web
        self.path: str = request.path
        self.method: str = request.method
        self.query: dict[str, str] = {
            key: value for key in request.query if (value := request.query.getunicode(key)) is not None
        }
        self.address: str = request.environ.get("REMOTE_ADDR", "")
        self.secure: bool = web.config.web.tls
        self.session: access.Session | None = None
        self.session_secret: str | None = None
        self.who: rights.Who | None = None
        self.form: dict[str, str] = {}
        self.files: dict[str, bottle.FileUpload] = {}
        self.headers: list[tuple[str, str]] = []
        self.phone: bool = "Mobi" in str(request.environ.get("HTTP_USER_AGENT", ""))
        self.now_us = time.time_ns() // 1000
        self._request = request
        self._pre: str | None = None
        self.language = "en"

    # cookies

    def cookie_name(self, name: str) -> str:
        """__Host- ties a cookie to this very host; browsers take it over TLS only."""
        return f"__Host-{name}" if self.secure else name

    def cookie(self, name: str) -> str:
        return str(self._request.get_cookie(self.cookie_name(name)) or "")

    def set_cookie(self, name: str, value: str, max_age: int | None = None) -> None:
        parts = [f"{self.cookie_name(name)}={value}", "Path=/", "HttpOnly", "SameSite=Lax"]
        if self.secure:
            parts.append("Secure")
        if max_age is not None:
            parts.append(f"Max-Age={max_age}")
        self.headers.append(("Set-Cookie", "; ".join(parts)))

    # forms

    def form_secret(self) -> str:
        """What a form's token hangs on: the session, or a cookie of its own before there is one."""
        if self.session_secret:
            return self.session_secret
        if self._pre is None:
            self._pre = self.cookie("bw-form")
            if len(self._pre) < 32:
                self._pre = csrf.new_secret()
                self.set_cookie("bw-form", self._pre)
        return self._pre

    def form_token(self, form: str) -> str:
        return csrf.token(self.web.key, self.form_secret(), form)

    # texts

    def text(self, message: str, **values: object) -> str:
        found = render.translations(self.language).gettext(message)
        return found % values if values else found

    def plural(self, one: str, many: str, number: int) -> str:
        found = render.translations(self.language).ngettext(one, many, number)
        return found % {"num": number}

    def why(self, text: str | None) -> str:
        """What another part of the box said, in the reader's language."""
        return texts.why(text, self.text)

    def word(self, table: dict[Any, Any], code: Any) -> str:
        """The word of a code in a table of texts.py; an unknown code is its own word."""
        found = table.get(code)
        if found is None:
            return str(code)
        return self.text(found if isinstance(found, str) else found[1])

    def shape(self, table: dict[Any, tuple[str, str]], code: Any) -> tuple[str, str]:
        """(mark, word) of a state."""
        return (table[code][0] if code in table else "none", self.word(table, code))

    def alarm(self, alarm: health.Alarm) -> str:
        return texts.alarm(alarm.what, alarm.params, alarm.text, self.text)

    # rights

    @property
    def scope(self) -> Scope:
        assert self.who is not None
        return self.who.scope

    def may(self, roles: frozenset[str]) -> bool:
        """Whether the reader has one of the roles; those that look after the whole box must also see all of it."""
        if self.who is None or self.who.role not in roles:
            return False
        return rights.VIEWER in roles or rights.sees_all(self.who.scope)

    @property
    def technical(self) -> bool:
        return self.may(rights.TECHNICAL)

    @property
    def administrator(self) -> bool:
        return self.may(rights.ADMINISTRATORS)

    def state(self) -> tuple[str, str]:
        """The box in one shape and word, for the head of every page."""
        snap = self.web.health()
        if snap.box is None or self.now_us - snap.box.time_us > HEALTH_OLD_US:
            return ("warn", self.text("No news of the box"))
        if not snap.alarms:
            return ("ok", self.text("Working"))
        worst = any(alarm.severity != "warning" for alarm in snap.alarms)
        return ("bad" if worst else "warn", self.plural("%(num)s alarm", "%(num)s alarms", len(snap.alarms)))

    # answers

    def summary(self, by: str, since: int | None, until: int | None, **only: Any) -> reads.Summary:
        """Sums of days within the reader's scope."""
        known = self.web.facts.now()
        return self.web.sums.summary((known.seq, known.generation), self.scope, by, since, until, **only)

    def page(
        self, template: str, *, status: int = 200, headers: list[tuple[str, str]] | None = None, **values: Any
    ) -> Answer:
        words = [
            (
                place,
                self.text(word),
                self.path == place or (place != "/" and self.path.startswith((f"{place}/", *below))),
            )
            for place, word, roles, below in NAVIGATION
            if self.may(roles)
        ]
        body = render.render(
            self.language, template, ctx=self, navigation=words, static=self.web.static,
            now_us=self.now_us, signed_in=self.who is not None, words=texts, **values,
        )  # fmt: skip
        return Answer(body=body, status=status, headers=headers or [])

    def link(self, path: str | None = None, **changes: object) -> str:
        """This page's address with some of its query changed; None takes a part out."""
        query = {
            **self.query,
            **{key: None if value is None else str(value) for key, value in changes.items()},
        }
        text = urlencode({key: value for key, value in query.items() if value})
        path = path or self.path
        return f"{path}?{text}" if text else path

    def unchanged(self, *what: object) -> tuple[str, str]:
        """The ETag of a page made of `what`. Raises NotModified if the reader has it. Call before reading."""
        account = self.session.key.hex() if self.session else ""
        parts = (
            *what,
            account,
            self.phone,
            self.language,
            self.web.code,
            self.web.started,
            self.path,
            sorted(self.query.items()),
        )
        tag = f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:24]}"'
        known = self._request.environ.get("HTTP_IF_NONE_MATCH", "")
        if tag in {word.strip().removeprefix("W/") for word in known.split(",")}:
            raise NotModified(tag)
        return ("ETag", tag)

    # changes

    def change(
        self, kind: str, key: str, value: object, why: str = "", expects: int | None = None
    ) -> owner.Outcome:
        """Hands an owner's change in and waits up to 2 s for the ledger. Raises Problem while capture is away."""
        assert self.who is not None
        made = owner.change(kind, key, value, who=self.who.name, why=why, expects=expects)
        try:
            return owner.submit(self.web.config, made, source="web", lock=False)
        except CaptureAway as error:
            raise Problem(
                503,
                self.text(
                    "Nothing can be changed now: the box's receiver restarts. Nothing was lost; try again in a few seconds."
                ),
            ) from error
        except Refused as error:
            raise Problem(409, str(error)) from error

    def changed(self, outcome: owner.Outcome, place: str) -> Answer:
        """After a change: the page that shows what became of it (works with Back and reload)."""
        mark = "&" if "?" in place else "?"
        return see(f"{place}{mark}change={outcome.origin}")

    def outcome(self) -> owner.Outcome | None:
        """The change this page was sent to from, as it stands now."""
        try:
            origin = parse_origin(self.query["change"])
        except (KeyError, ValueError):
            return None
        return owner.answer_of(self.web.config, origin)
