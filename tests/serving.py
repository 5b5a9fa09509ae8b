"""
An application served over real HTTP, for a real client.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

__all__ = ["served"]


@contextmanager
def served(app: Any) -> Iterator[int]:
    """
    Serve *app* on a free port of this machine, and yield that port.
    """
    config = uvicorn.Config(app, log_level="critical", ws="none", http="h11", lifespan="on")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.005)
            assert server.started
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()
