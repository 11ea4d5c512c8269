"""Asks the daemon how it is and was: finds the key and the port, never waits long, and returns failures as values."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx
import platformdirs
from pydantic import ValidationError

from dashboard.history import HOURS, NAMES, Answer, Series
from dashboard.pool import Pool
from dashboard.status import Status

DEFAULT_PORT = 8700
# Loopback answers in milliseconds; a daemon that needs longer is in trouble, and one refresh is enough to say so.
TIMEOUT = httpx.Timeout(1.5, connect=0.5)

Kind = Literal["unreachable", "slow", "no_key", "key_refused", "misfit"]


@dataclass(frozen=True)
class Down:
    """Why there is no status, for a person to read."""

    kind: Kind
    reason: str
    """What was tried and what came of it."""
    advice: str
    """What to do about it."""
    url: str = ""


@dataclass(frozen=True)
class Place:
    """Where the daemon keeps its key and its port, as far as this process's environment says."""

    state_dir: Path
    port: int | None
    """The port that SOLO_PORT asks for; None leaves it to the daemon's own note."""

    @property
    def key_file(self) -> Path:
        return self.state_dir / "owner.key"

    @property
    def port_file(self) -> Path:
        return self.state_dir / "daemon.json"


class Client:
    """One per process, safe to share between threads: it keeps its connection open between refreshes."""

    def __init__(
        self, environ: Mapping[str, str] = os.environ, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._environ = environ
        # trust_env off: a proxy or a .netrc of the environment must never see the owner key.
        self._http = httpx.Client(timeout=TIMEOUT, trust_env=False, transport=transport)

    def fetch(self) -> Status | Down:
        """The daemon's status now, or why there is none; raises nothing for anything the daemon or the disk does."""
        door = _door(self._environ)
        if isinstance(door, Down):
            return _unreachable(door.url) if door.kind == "no_key" and not self._alive(door.url) else door
        place, url, key = door
        try:
            answer = self._http.get(f"{url}/status", headers={"Authorization": f"Bearer {key}"})
        except httpx.TimeoutException:
            return _slow(url) if self._alive(url) else _unreachable(url)
        except httpx.TransportError:
            return _unreachable(url)
        return _read_answer(answer, place, url)

    def fetch_history(self) -> tuple[Series, ...] | None:
        """Figures of the last day; None where there are none to be had: an older daemon, one that runs without that
        part or whose database is away. The status says what is wrong."""
        door = _door(self._environ)
        if isinstance(door, Down):
            return None
        _, url, key = door
        found: list[Series] = []
        for name in NAMES:
            try:
                answer = self._http.get(
                    f"{url}/api/metrics",
                    params={"name": name, "hours": HOURS},
                    headers={"Authorization": f"Bearer {key}"},
                )
                if answer.status_code != 200:
                    return None
                found += Answer.model_validate_json(answer.content).series
            except (httpx.TransportError, ValidationError):
                return None
        return tuple(found)

    def fetch_pool(self) -> Pool | None:
        """The language models; None where there are none to be had, as for the figures."""
        door = _door(self._environ)
        if isinstance(door, Down):
            return None
        _, url, key = door
        try:
            answer = self._http.get(f"{url}/api/llm/health", headers={"Authorization": f"Bearer {key}"})
            return Pool.model_validate_json(answer.content) if answer.status_code == 200 else None
        except (httpx.TransportError, ValidationError):
            return None

    def close(self) -> None:
        self._http.close()

    def _alive(self, url: str) -> bool:
        """Whether something accepts a connection there: a frozen daemon still does, a dead one does not."""
        try:
            self._http.get(f"{url}/healthz", timeout=httpx.Timeout(0.5))
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return False
        except httpx.TransportError:
            return True
        return True


def _place(environ: Mapping[str, str]) -> Place | Down:
    state_dir = environ.get("SOLO_STATE_DIR") or platformdirs.user_state_dir("solo", appauthor=False)
    asked = environ.get("SOLO_PORT", "").strip()
    if asked and not (re.fullmatch("[0-9]{1,5}", asked) and int(asked) < 65536):
        return Down(
            "misfit",
            f"SOLO_PORT is {asked[:40]!r}, which is no port.",
            "Set it to a number up to 65535, or leave it out, then start the dashboard again.",
        )
    # Zero let the daemon take any free port: which one it took is in its note.
    return Place(Path(state_dir), int(asked or 0) or None)


def _door(environ: Mapping[str, str]) -> tuple[Place, str, str] | Down:
    """Place, URL and key; looked up at every call: a restarted daemon may have another port and another key."""
    place = _place(environ)
    if isinstance(place, Down):
        return place
    port = place.port if place.port is not None else _noted_port(place.port_file)
    if isinstance(port, Down):
        return port
    url = f"http://127.0.0.1:{port}"
    key = _read_key(place.key_file, url)
    return key if isinstance(key, Down) else (place, url, key)


def _noted_port(note: Path) -> int | Down:
    """The port that the daemon wrote down when it started, or the default when it wrote nothing."""
    advice = "Start the daemon again: it writes this file anew."
    try:
        port = json.loads(note.read_text("utf-8"))["port"]
    except FileNotFoundError:
        return DEFAULT_PORT
    except OSError as error:
        return Down("misfit", f"The daemon's note {note} cannot be read: {error.strerror}.", _permission_advice(note))
    except (ValueError, KeyError, TypeError, RecursionError):
        return Down("misfit", f"The daemon's note {note} names no port.", advice)
    if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
        return Down("misfit", f"The daemon's note {note} names no port from 1 to 65535.", advice)
    return port


def _read_key(file: Path, url: str) -> str | Down:
    elsewhere = f"Start the dashboard with the daemon's SOLO_STATE_DIR (it now looks in {file.parent})."
    try:
        key = file.read_text("utf-8").strip()
    except FileNotFoundError:
        return Down("no_key", f"The daemon runs at {url}, but there is no key file {file}.", elsewhere, url)
    except OSError as error:
        reason = f"The key file {file} cannot be read: {error.strerror}."
        return Down("no_key", reason, _permission_advice(file), url)
    except ValueError:
        key = ""
    if not key or not key.isascii() or not key.isprintable():
        return Down("no_key", f"The key file {file} holds no usable key.", elsewhere, url)
    return key


def _read_answer(answer: httpx.Response, place: Place, url: str) -> Status | Down:
    if answer.status_code in (401, 403):
        reason = f"The daemon at {url} refuses the key in {place.key_file}."
        advice = "Start the dashboard with the SOLO_STATE_DIR of the daemon that listens there."
        return Down("key_refused", reason, advice, url)
    if answer.status_code != 200:
        reason = f"{url}/status answered with HTTP {answer.status_code}."
        return Down("misfit", reason, "Look at the daemon's log, and check that Solo is what listens there.", url)
    try:
        return Status.model_validate_json(answer.content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        reason = f"{url}/status is not what this dashboard understands ({where or 'the whole answer'}: {first['msg']})."
        return Down("misfit", reason, "Run the daemon and the dashboard from the same version.", url)


def _unreachable(url: str) -> Down:
    return Down("unreachable", f"Nothing answers at {url}.", "Start the daemon in a terminal:", url)


def _slow(url: str) -> Down:
    reason = f"The daemon at {url} accepts connections but does not answer within {TIMEOUT.read} s."
    return Down("slow", reason, "It may be starting or overloaded. If this lasts, stop it and start it again.", url)


def _permission_advice(file: Path) -> str:
    return f"Run the dashboard as the user who owns {file}."
