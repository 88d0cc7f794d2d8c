"""A small HTTP server on this machine that publishes files, well or badly."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Published:
    """`files` by name at `url`; `asked` records what was asked for."""

    def __init__(self, files: dict[str, bytes], *, promised: int | None = None, silence_s: float = 0) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.rsplit("/", 1)[-1]
                asked.append(name)
                time.sleep(silence_s)
                if name not in files:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(promised or len(files[name])))
                self.end_headers()
                try:
                    self.wfile.write(files[name])
                except ConnectionError:  # the client gave up first, as a test may want
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
