"""Linear algebra on one thread: the matrices here are small, and handing them out costs more than it saves."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def on_one_thread(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The function with the linear algebra beneath it held to one thread while it runs.

    A covariance by clusters is thousands of products of matrices with a few dozen rows. On two busy cores OpenBLAS took
    up to twenty times as long with two threads as with one, waiting for itself. One thread also adds in one
    order, whatever the machine. What asks for threads of its own (notebooks side by side) still has them.
    """

    @wraps(function)
    def held(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return held
