"""Shared fixtures: shapes are checked in tests, and no test reaches the network."""

import socket
from collections.abc import Callable, Iterator

import pytest
from jaxtyping import install_import_hook
from published import Published

install_import_hook("shelfwise", "beartype.beartype")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that leaves the machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"the tests have no network; refused {address}")
        return connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def serve() -> Iterator[Callable[..., Published]]:
    """Start small HTTP servers on this machine; all are closed when the test ends."""
    servers: list[Published] = []

    def start(files: dict[str, bytes], **habits: float) -> Published:
        servers.append(Published(files, **habits))  # type: ignore[arg-type]
        return servers[-1]

    yield start
    for server in servers:
        server.close()
