"""How long whoever guesses passwords has to wait. Known and unknown names are treated alike.

An account: after 5 wrong tries 30 s, then 1, 2, 4 ... 15 minutes with each further one. An address: 20 wrong tries
an hour. The owner can always come in from the console.
"""

import hashlib

from bluewhale_webui.access import Access

FREE_TRIES = 5
FIRST_WAIT_S, LONGEST_WAIT_S = 30, 15 * 60
ADDRESS_TRIES, ADDRESS_S = 20, 3600
FORGET_S = 24 * 3600


def _account(user: str) -> str:
    return "account:" + hashlib.sha256(user.lower().encode()).hexdigest()


def wait_s(access: Access, user: str, address: str) -> int:
    """Seconds until this address may try this account again; 0 = now."""
    now = access.now()
    waits = [0.0]
    for first_s, until_s in access.run("SELECT first_s, until_s FROM wrong WHERE who = ?", _account(user)):
        if first_s <= now:  # a clock that was set back forgives
            waits.append(until_s - now)
    for tries, first_s in access.run("SELECT tries, first_s FROM wrong WHERE who = ?", f"address:{address}"):
        if tries >= ADDRESS_TRIES and 0 <= now - first_s < ADDRESS_S:
            waits.append(first_s + ADDRESS_S - now)
    return int(max(waits) + 0.999)


def wrong(access: Access, user: str, address: str) -> int:
    """Counts a wrong try; the answer is the account's tries so far."""
    now = access.now()
    access.run("DELETE FROM wrong WHERE last_s < ?", now - FORGET_S)
    tries = _count(access, _account(user), now)
    over = tries - FREE_TRIES
    if over >= 0:
        wait = min(FIRST_WAIT_S * 2 ** min(over, 10), LONGEST_WAIT_S)
        access.run("UPDATE wrong SET until_s = ? WHERE who = ?", now + wait, _account(user))
    access.run("DELETE FROM wrong WHERE who = ? AND first_s < ?", f"address:{address}", now - ADDRESS_S)
    _count(access, f"address:{address}", now)
    return tries


def _count(access: Access, who: str, now: float) -> int:
    rows = access.run(
        "INSERT INTO wrong VALUES (?, 1, ?, ?, 0) ON CONFLICT (who) DO UPDATE SET tries = tries + 1, last_s = excluded.last_s"
        " RETURNING tries",
        who, now, now,
    )  # fmt: skip
    return int(rows[0][0])


def right(access: Access, user: str) -> None:
    """A right password forgives the account's wrong ones; the address's hour goes on."""
    access.run("DELETE FROM wrong WHERE who = ?", _account(user))
