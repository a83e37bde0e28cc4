"""Sharing a loop among threads; the compiled loops release the interpreter's lock."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def split(work: Callable[[int, int], object], count: int, threads: int) -> None:
    """Call `work(first, last)` on consecutive parts of range(count), in `threads` threads."""
    if threads <= 1 or count < 2:
        work(0, count)
        return
    parts = min(count, 4 * threads)
    edges = [count * i // parts for i in range(parts + 1)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, edges[:-1], edges[1:]))


def both(one: Callable, two: Callable, threads: int) -> tuple:
    """The results of two calls, side by side where there is more than one thread."""
    if threads <= 1:
        return one(), two()
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(one), pool.submit(two)
        return first.result(), second.result()
