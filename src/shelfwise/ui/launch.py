"""How the page is started: the command of its process, with the theme and all else that streamlit is told."""

from __future__ import annotations

import sys
from pathlib import Path

API = "SHELFWISE_API"
"""The environment variable by which the page's process learns where the API is."""
DEFAULT_API = "http://127.0.0.1:8000"
UPLOAD_MB = 50
"""Of one file; the API has its own bound on one request."""
OPTIONS: dict[str, str] = {
    "theme.base": "light",
    "theme.primaryColor": "#0f766e",
    "theme.backgroundColor": "#f6f5f1",
    "theme.secondaryBackgroundColor": "#ffffff",
    "theme.textColor": "#1f2329",
    "theme.borderColor": "#e3e0d8",
    "theme.baseRadius": "10px",
    "theme.showWidgetBorder": "true",
    "theme.showSidebarBorder": "true",
    "browser.gatherUsageStats": "false",
    "client.showErrorDetails": "none",
    "client.toolbarMode": "minimal",
    "runner.magicEnabled": "false",
    "server.address": "127.0.0.1",
    "server.fileWatcherType": "none",
    "server.headless": "true",
    "server.maxUploadSize": str(UPLOAD_MB),
}
"""Streamlit's settings: the colours are those of the reports, and nothing is sent to anybody."""


def command(port: int) -> list[str]:
    """The command that serves the page at a port of this machine; SHELFWISE_API says where the API is."""
    page = Path(__file__).with_name("app.py")
    options = [part for name, value in OPTIONS.items() for part in (f"--{name}", value)]
    return [sys.executable, "-m", "streamlit", "run", str(page), "--server.port", str(port), *options]
