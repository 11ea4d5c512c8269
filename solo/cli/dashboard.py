"""How the dashboard's process is started."""

from __future__ import annotations

import sys
from importlib import util
from pathlib import Path


def command_line(port: int) -> list[str]:
    """Streamlit on loopback, quiet, telling nobody; state directory and port of the daemon come by the environment."""
    found = util.find_spec("dashboard")
    assert found is not None and found.origin is not None
    page = Path(found.origin).with_name("app.py")
    options = {
        "server.port": str(port),
        "server.address": "127.0.0.1",
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "server.runOnSave": "false",
        "browser.gatherUsageStats": "false",
        "browser.serverAddress": "127.0.0.1",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "logger.level": "warning",
        "theme.light.primaryColor": "#0f766e",
        "theme.dark.primaryColor": "#2dd4bf",
        "theme.dark.backgroundColor": "#101317",
        "theme.dark.secondaryBackgroundColor": "#1b2027",
        "theme.metricValueFontSize": "1.75rem",
        "theme.headingFontSizes": "2.1rem,1.5rem,1.25rem,1.1rem,1rem,0.9rem",
    }
    flags = [part for name, value in options.items() for part in (f"--{name}", value)]
    return [sys.executable, "-m", "streamlit", "run", str(page), *flags]
