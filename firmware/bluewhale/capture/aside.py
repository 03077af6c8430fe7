"""Calls that may hang (a network folder, a slow disk) in a thread of their own, so that no other feed waits."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def aside(function: Callable[..., T], *arguments: object) -> T:
    """The function's result. The thread is a daemon: one that hangs does not keep the process from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def work() -> None:
        try:
            settle: tuple[Any, ...] = (_settle, done, function(*arguments), None)
        except BaseException as error:  # it is the caller's, who waits for it
            settle = (_settle, done, None, error)
        if not loop.is_closed():
            loop.call_soon_threadsafe(*settle)

    threading.Thread(target=work, name=f"aside-{function.__name__}", daemon=True).start()
    return await done


def _settle(done: "asyncio.Future[Any]", value: Any, error: BaseException | None) -> None:
    if done.done():  # nobody waits any more
        return
    if error is None:
        done.set_result(value)
    else:
        done.set_exception(error)
