"""`run(config)`: listen, answer, and on SIGTERM let requests come to their end."""

from __future__ import annotations

import sys

import uvicorn

from shelfwise.api.app import check_exposure, create_app
from shelfwise.api.logs import log_to_stderr
from shelfwise.config.serving import ServeConfig
from shelfwise.service.models import default_paths


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
    app = create_app(config, config.bundles or [str(path) for path in default_paths()])
    log_to_stderr(config.log)
    server = _Server(
        uvicorn.Config(
            app,
            host=config.host,
            port=config.port,
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=max(1, round(config.limits.drain_s)),
            limit_concurrency=None,
        )
    )
    server.run()
    if not server.started:
        sys.exit(2)
