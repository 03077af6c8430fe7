"""Proof that a form came from a page of ours: HMAC of the session and the form's address, masked anew each time.

Masked with fresh random bytes, so that a compressed page tells nothing about it. The other half of the guard
(Sec-Fetch-Site, Origin) is in guard.py.
"""

import base64
import binascii
import hmac
import secrets
from hashlib import sha256
from pathlib import Path

from bluewhale.setup_code import write_secret

FIELD = "token"
SIZE = 32


def key(directory: Path) -> bytes:
    """The box's own key, made on first use (secrets/web/key)."""
    file = directory / "key"
    if not file.exists():
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        directory.chmod(0o700)
        write_secret(file, secrets.token_bytes(SIZE))
    return file.read_bytes()


def _proof(key: bytes, session: str, form: str) -> bytes:
    return hmac.new(key, f"{session}\0{form}".encode(), sha256).digest()


def token(key: bytes, session: str, form: str) -> str:
    """`session` is the secret of the session or pre-session cookie, `form` the path the form is sent to."""
    mask = secrets.token_bytes(SIZE)
    masked = bytes(a ^ b for a, b in zip(mask, _proof(key, session, form)))
    return base64.urlsafe_b64encode(mask + masked).decode()


def holds(key: bytes, session: str, form: str, typed: str) -> bool:
    try:
        raw = base64.b64decode(typed.encode(), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return False
    if len(raw) != 2 * SIZE:
        return False
    proof = bytes(a ^ b for a, b in zip(raw[:SIZE], raw[SIZE:]))
    return hmac.compare_digest(proof, _proof(key, session, form))


def new_secret() -> str:
    """A secret for the cookie forms hang on before there is a session."""
    return secrets.token_urlsafe(SIZE)
