"""The page on a real API process on tiny bundles, and on a stub that answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from drawn import draw_garment
from served import begin_server, port_of

APP = Path(__file__).resolve().parents[2] / "src" / "shelfwise" / "ui" / "app.py"


class Stub:
    """An API that gives what `answers` has for a path: status, headers and JSON; 404 for anything else."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, dict[str, str], Any]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                path = self.path.partition("?")[0]
                stub.asked.append((path, dict(self.headers)))
                status, headers, body = stub.answers.get(path, (404, {}, {}))
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def works(self) -> None:
        """Answer what every page asks before anything else, with one bundle of each kind."""
        paths = {"/v1/products/analyze": {}, "/v1/reviews/analyze": {}, "/v1/search": {}}
        cards = [
            {"id": task, "task": task, "version": "1", "domain": "drawn"} for task in ("products", "reviews")
        ]
        self.answers["/openapi.json"] = (200, {}, {"paths": paths})
        self.answers["/v1/models"] = (200, {}, {"data": cards})

    def refuses(self, path: str, status: int, code: str, **headers: str) -> None:
        """Answer a path with an error in the API's own form."""
        told = {"code": code, "message": f"told of {code}", "request_id": "r1"}
        self.answers[path] = (
            status,
            {name.replace("_", "-"): value for name, value in headers.items()},
            {"error": told},
        )

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(autouse=True)
def _no_connection_outlives_a_test() -> Iterator[None]:
    from shelfwise.ui.client import hang_up

    yield
    hang_up()


@pytest.fixture
def stub() -> Iterator[Stub]:
    made = Stub()
    yield made
    made.close()


@pytest.fixture(scope="session")
def picture() -> bytes:
    import io

    file = io.BytesIO()
    draw_garment("shirt", 3, 48).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def bundles(tiny_products_bundle: Path, tiny_reviews_bundle: Path) -> dict[str, Path]:
    return {"products": tiny_products_bundle, "reviews": tiny_reviews_bundle}


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory, products_table: Path, tiny_products_bundle: Path) -> Path:
    from shelfwise.config import CatalogConfig, ColumnMap
    from shelfwise.enrich.index import index_catalog
    from shelfwise.predict.embedder import open_embedder

    folder = tmp_path_factory.mktemp("ui") / "shop.index"
    columns = ColumnMap(images=("image",), title="title", labels={"category": "category"})
    index_catalog(
        open_embedder(tiny_products_bundle),
        CatalogConfig(source=str(products_table), columns=columns),
        folder,
    )
    return folder


@pytest.fixture(scope="session")
def started(bundles: dict[str, Path]) -> Iterator[Callable[..., str]]:
    """Start an API on the bundles of tasks: its address. Ended with the session."""
    processes = []

    def begin(*tasks: str, options: tuple[str, ...] = ()) -> str:
        processes.append(begin_server(bundles, tasks, options))
        return f"http://127.0.0.1:{port_of(processes[-1])}"

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def api_url(started: Callable[..., str], index: Path) -> str:
    """An API with everything."""
    return started("products", "reviews", options=("--index", str(index)))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Open a page over the API at an address, as a visitor finds it."""
    from streamlit.testing.v1 import AppTest

    def open_page(url: str, page: str = "analyse") -> Any:
        monkeypatch.setenv("SHELFWISE_API", url)
        found = AppTest.from_file(str(APP), default_timeout=120).run()
        if page != "analyse":
            found.switch_page(f"{page}_page.py").run()
        return found

    return open_page
