"""Colours and style: one meaning, one colour, on every part of the page."""

from __future__ import annotations

from typing import Literal

Colour = Literal["red", "orange", "yellow", "blue", "green", "violet", "gray"]

_STATES: dict[str, Colour] = {
    "ready": "green",
    "starting": "blue",
    "degraded": "orange",
    "backoff": "orange",
    "draining": "violet",
    "failed": "red",
    "daemon down": "red",
    "no key": "red",
    "key refused": "red",
    "not answering": "orange",
    "not understood": "orange",
}
_OUTCOMES: dict[str, Colour] = {"answered": "green", "failed": "red", "cancelled": "orange"}

STAGES = {
    "Wait for end of speech": "#94a3b8",
    "Transcription": "#3b82f6",
    "First token": "#f59e0b",
    "First audio": "#14b8a6",
}
"""The stages of a turn in their order; mid-tones that hold on white and on near-black."""
DAEMON = "#94a3b8"
ENGINE = "#3b82f6"

# Drawn here, since Streamlit fetches its named page icons from a foreign server.
ICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
<rect width="32" height="32" rx="8" fill="#0f766e"/>
<path d="M8 13v6M13 9v14M18 6v20M23 12v8" stroke="#fff" stroke-width="2.6" stroke-linecap="round"/></svg>"""

# Constant: nothing of the daemon's goes in here. Streamlit fades what a running refresh has not reached yet; every two
# seconds that is a flicker, so it is switched off, and the status icon in the corner with it.
CSS = """<style>
[data-stale="true"] { opacity: 1 !important; transition: none !important; }
[data-testid="stStatusWidget"] { visibility: hidden; }
[data-testid="stMainBlockContainer"] { padding-top: 3.2rem; padding-bottom: 3rem; max-width: 1480px; }
[data-testid="stMetricValue"] { font-variant-numeric: tabular-nums; }
.st-key-board-stale { opacity: .42; filter: grayscale(1); }
.st-key-services td, .st-key-bus td { font-variant-numeric: tabular-nums; vertical-align: top; }
.st-key-services td code, .st-key-bus td code, .st-key-reasons code, .st-key-header code, .st-key-problem code,
.st-key-metrics code, [class*="st-key-turn-"] [data-testid="stCaptionContainer"] code {
  background: none; color: inherit; font: inherit; padding: 0; white-space: normal; overflow-wrap: anywhere;
}
.st-key-services td:nth-child(n+4):nth-child(-n+8), .st-key-services th:nth-child(n+4):nth-child(-n+8),
.st-key-bus td:nth-child(n+3), .st-key-bus th:nth-child(n+3) { text-align: right !important; }
.st-key-services :is(td, th):nth-child(-n+8), .st-key-services :is(td, th):nth-child(-n+8) * { white-space: nowrap; }
.st-key-services :is(td, th):nth-child(9) { min-width: 16rem; }
.st-key-header .stMarkdownBadge { font-size: 1rem !important; padding: .15rem .55rem; }
.st-key-metrics { display: grid; grid-template-columns: 3fr 3fr 2fr 2fr; gap: .75rem; align-items: stretch; }
.st-key-metrics > :nth-child(-n+2) { grid-row: span 2; }
.st-key-metrics > * { display: flex; width: auto !important; height: auto !important; min-width: 0; }
.st-key-metrics [data-testid="stMetric"] { flex: 1; display: flex; flex-direction: column; height: auto; min-width: 0; }
.st-key-metrics [data-testid="stMetric"] > :has([data-testid="stMetricChart"]) { margin-top: auto; }
@media (max-width: 900px) {
  .st-key-metrics { grid-template-columns: 1fr 1fr; }
  .st-key-metrics > :nth-child(-n+2) { grid-row: auto; }
  .st-key-services :is(td, th):nth-child(n+4):nth-child(-n+7) { display: none; }
  .st-key-services :is(td, th):nth-child(3), .st-key-services :is(td, th):nth-child(3) * { white-space: normal; }
  .st-key-services :is(td, th):nth-child(3) { min-width: 9.5rem; }
}
</style>"""


def state_colour(state: str) -> Colour:
    """The colour of a service's or of the daemon's state; grey for at rest and for unknown ones."""
    return _STATES.get(state, "gray")


def outcome_colour(outcome: str) -> Colour:
    """The colour of a turn's outcome; grey where nothing was asked of Solo."""
    return _OUTCOMES.get(outcome, "gray")
