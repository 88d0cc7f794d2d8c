"""`run(config)`: listen, answer, and on SIGTERM let requests come to their end."""

from __future__ import annotations

import errno
import socket

import uvicorn

from shelfwise.api.app import check_exposure, create_app
from shelfwise.api.connection import patient_for
from shelfwise.api.logs import log_to_stderr
from shelfwise.config.serving import ServeConfig
from shelfwise.errors import ConfigError
from shelfwise.service.models import default_paths

KEEP_ALIVE_S = 75
"""More than the 60 s of common load balancers: where the server closes first, a request may be lost."""


class _Server(uvicorn.Server):
    """Says where it listens once it does."""

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            print(f"shelfwise answers at http://{shown}:{port}, its documentation is at /docs", flush=True)


def run(config: ServeConfig) -> None:
    """Serve until a signal ends it; ConfigError and BundleError for what cannot be served."""
    check_exposure(config)
    bound = bind(config.host, config.port)  # before the bundles, so that a taken port is told at once
    app = create_app(config, config.bundles or [str(path) for path in default_paths()])
    log_to_stderr(config.log)
    server = _Server(
        uvicorn.Config(
            app,
            http=patient_for(config.limits.deadline_s),
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, round(config.limits.drain_s)),
            limit_concurrency=None,
        )
    )
    server.run(sockets=[bound])


def bind(host: str, port: int) -> socket.socket:
    """A socket of that address; ConfigError where there is none to be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        remedy = "end what listens there, or take another --port" if error.errno == errno.EADDRINUSE else ""
        why = (error.strerror or str(error)).lower()
        raise ConfigError(f"--host {host} --port {port}: {why}" + (f"; {remedy}" if remedy else "")) from None
    bound.set_inheritable(True)
    return bound
