"""Files waiting for "apply": kept on the data partition between preview and apply, for one person, for an hour.

What a browser calls the file is thrown away; it is kept under a random id (DATA/web/uploads/ID, 0600).
"""

import re
import secrets
import time
from pathlib import Path

import msgspec

from bluewhale.setup_code import write_secret
from bluewhale_webui.answers import Problem
from bluewhale_webui.context import Context

KEPT_S = 3600
MOST = 20  # files waiting at once
ID = re.compile(r"[A-Za-z0-9_-]{22}")


class Upload(msgspec.Struct, frozen=True):
    """`version`: the state of the box's settings the preview was made against."""

    who: str
    kind: str
    version: int
    data: bytes
    name: str = ""


def directory(ctx: Context) -> Path:
    return ctx.web.config.data_dir / "web" / "uploads"


def received(ctx: Context, field: str, limit: int) -> bytes:
    """The bytes of an uploaded file. Raises Problem if there is none or it is too large."""
    upload = ctx.files.get(field)
    if upload is None:
        raise Problem(400, ctx.text("No file was chosen."))
    data: bytes = upload.file.read(limit + 1)
    if len(data) > limit:
        raise Problem(413, ctx.text("This file is too large: at most %(size)s MB.", size=limit // 1_000_000))
    if not data.strip():
        raise Problem(400, ctx.text("The file is empty."))
    return data


def keep(ctx: Context, kind: str, version: int, data: bytes, name: str = "") -> str:
    """Its id, for the form that applies it."""
    assert ctx.who is not None
    place = directory(ctx)
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    _clean(place)
    number = secrets.token_urlsafe(16)
    write_secret(place / number, msgspec.msgpack.encode(Upload(ctx.who.name, kind, version, data, name)))
    return number


def waiting(ctx: Context, kind: str, number: str) -> Upload:
    """The file kept under an id, for whoever uploaded it. Raises Problem."""
    assert ctx.who is not None
    file = directory(ctx) / number
    gone = Problem(
        410,
        ctx.text("This upload is not kept any more (an hour at most). Nothing was changed; upload it again."),
    )
    if not ID.fullmatch(number) or not file.is_file() or time.time() - file.stat().st_mtime > KEPT_S:
        raise gone
    upload = msgspec.msgpack.decode(file.read_bytes(), type=Upload)
    if upload.who != ctx.who.name or upload.kind != kind:
        raise gone
    return upload


def drop(ctx: Context, number: str) -> None:
    if ID.fullmatch(number):
        (directory(ctx) / number).unlink(missing_ok=True)


def _clean(place: Path) -> None:
    """The oldest go, so that waiting files can never fill the disk."""
    files = sorted(
        (file for file in place.iterdir() if ID.fullmatch(file.name)), key=lambda f: f.stat().st_mtime
    )
    old = time.time() - KEPT_S
    for at, file in enumerate(files):
        if file.stat().st_mtime < old or at <= len(files) - MOST:
            file.unlink(missing_ok=True)
