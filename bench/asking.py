"""How benchmarks ask a server again and again, in a process of their own."""

from __future__ import annotations

import http.client
import time
from multiprocessing.connection import Connection


def ask(host: str, path: str, seconds: float, pause: float, answer: Connection) -> None:
    """Sends the milliseconds of each request over one connection; `host` is `address:port`."""
    connection = http.client.HTTPConnection(host, timeout=30)
    took = []
    stop = time.perf_counter() + seconds
    while time.perf_counter() < stop:
        began = time.perf_counter()
        connection.request("GET", path)
        connection.getresponse().read()
        took.append(1000 * (time.perf_counter() - began))
        time.sleep(pause)
    answer.send(took)
