"""Every route asked with what its own description allows and forbids: no crash, nothing that was not announced."""

from __future__ import annotations

import io
import json
import os
import re
import wave
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from services.api.house import House
from services.api.http import application
from services.api.recent import RecentTurns
from services.api.schema import described
from solo.bus import Bus
from solo.supervision import Context
from tests.daemon import Daemon, daemon

EXAMPLES = int(os.environ.get("TEST_FUZZ_EXAMPLES", "3"))
"""For each route; `make fuzz` asks a thousand."""
THOROUGH = "TEST_FUZZ_EXAMPLES" in os.environ
"""Besides the examples, every limit of every field from both sides; too many for every run of the suite."""
BELOW = os.environ.get("TEST_FUZZ_BELOW", "/")
"""Only routes whose path begins so."""
FAKES: dict[str, Any] = {f"{part}__ENGINE": "fake" for part in ("VAD", "WAKE", "STT", "LLM", "TTS")} | {
    "MEMORY__EMBEDDER": "fake"
}
OUTSIDE: dict[str, Any] = {"MODELS__ENDPOINT": "http://127.0.0.1:9"}
"""Where models would be fetched from: a port where nobody is."""
GENEROUS: dict[str, Any] = {
    f"API__{name}_PER_MINUTE": "10000000" for name in ("CHEAP", "USUAL", "COSTLY", "LOGIN", "FAILURES")
}
ENDS_IT = ["/api/stop"]
"""What would end the daemon under the others."""
NO_MATTER_OF_FORM = {
    ("api.invalid_parameter", "tool_choice names no tool"),
    ("api.invalid_parameter", "tool_choice needs tools"),
    ("api.invalid_parameter", "There is no voice"),
    ("api.invalid_parameter", "There is nothing to say in it"),
    ("api.invalid_parameter", "The form has more than 32 parts"),
    ("api.invalid_parameter", "stream needs response_format"),
    ("api.invalid_parameter", "timestamp_granularities needs response_format"),
    ("codec.unreadable", ""),
    ("context_length_exceeded", ""),
    ("engine.bad_input", "the last message is neither the user's nor a tool's"),
    ("engine.bad_input", "two tools have the same name"),
    ("engine.bad_input", "Integer value out of range"),
    ("llm.bad_grammar", ""),
    ("llm.bad_schema", ""),
    ("llm.no_vision", ""),
    ("llm.prompt_too_long", ""),
    ("models.bad_name", ""),
    ("models.bad_source", ""),
    ("models.fetch_failed", ""),
    ("security.bad_scope", ""),
    ("security.weak_password", ""),
}
"""Refused by name, and no schema can say it: what one field says of another, the names that there are now, numbers of
more than 64 bits in a tool, bytes of a file that are no sound, what the model can that answers, too common a password,
a server that does not answer."""


def _document() -> dict[str, Any]:
    """What the daemon says of itself; made without one, so that every route is a test of its own."""
    ctx = Context(Bus(), "test", on_state=lambda _state, _note: None)
    told: dict[str, Any] = json.loads(json.dumps(described(application(House(ctx, RecentTurns(), set())))))
    return told


def _sound() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        sound.writeframes(bytes(3200))
    return file.getvalue()


DOCUMENT = _document()
schemathesis.openapi.media_type("audio/*", st.just(_sound()) | st.binary(max_size=100))
schema = schemathesis.openapi.from_dict(DOCUMENT).include(path_regex=f"^{BELOW}").exclude(path=ENDS_IT)
schema.config.phases.coverage.enabled = THOROUGH
answered: dict[str, Counter[int]] = defaultdict(Counter)
"""How often each route answered with which status to what its description allows."""
STRANGERS = ("api.unauthorized", "invalid_api_key", "api.forbidden")
strangers: Counter[str] = Counter()
"""Routes that did not know who asks."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon(tmp_path_factory.mktemp("fuzz") / "state", "--audio", "none", **FAKES, **GENEROUS, **OUTSIDE) as one:
        yield one


def test_it_is_what_the_daemon_says(running: Daemon) -> None:
    assert running.get("/openapi.json").json() == DOCUMENT


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_as_described(case: Any, running: Daemon) -> None:
    # Both, since otherwise the fuzzer makes up the other one, and whoever offers a wrong key is not let in.
    base, headers = (
        f"http://127.0.0.1:{running.port}",
        {"Authorization": f"Bearer {running.key}", "x-api-key": running.key},
    )
    response = case.call(base_url=base, headers=headers, timeout=30)
    if case.meta.generation.mode.is_positive:
        answered[case.operation.label][response.status_code] += 1
    if response.status_code in {401, 403} and _code(response) in STRANGERS:
        strangers[case.operation.label] += 1
    excluded = [positive_data_acceptance, not_a_server_error] if _is_no_matter_of_form(response) else []
    # A list without anything in it leaves no trace in the address, and the server sees a request as it should be;
    # one that is too large is refused before anybody looks at its form.
    if response.status_code == 413 or any(value in ([], {}) for value in (case.query or {}).values()):
        excluded.append(negative_data_rejection)
    case.validate_response(response, headers=headers, excluded_checks=excluded)


def _is_no_matter_of_form(response: Any) -> bool:
    if response.status_code not in {400, 422, 502}:
        return False
    code, message = _code(response), response.json()["error"]["message"]
    return any(code == each and part in message for each, part in NO_MATTER_OF_FORM)


def _code(response: Any) -> str:
    error = response.json()["error"]
    code: str = error.get("code") or error["details"]["error_code"]
    return code


@pytest.mark.parametrize("path", [path for path in DOCUMENT["paths"] if path.startswith(BELOW)])
def test_other_methods_are_refused_and_the_allowed_are_named(path: str, running: Daemon) -> None:
    own = {method.upper() for method in DOCUMENT["paths"][path]}
    # A path that also fits another's template, such as /api/models/{name}, has that one's methods too.
    fitting = [one for one in DOCUMENT["paths"] if re.fullmatch(re.sub(r"\{\w+\}", "[^/{}]+", one), path)]
    taken = own | {method.upper() for one in fitting for method in DOCUMENT["paths"][one]}
    headers = {"Authorization": f"Bearer {running.key}"}
    for method in {"DELETE", "PATCH", "POST", "PUT"} - taken:
        response = httpx.request(method, f"http://127.0.0.1:{running.port}{path}", headers=headers, timeout=10)
        assert response.status_code == 405, method
        assert own <= set(response.headers["allow"].split(", ")) <= taken, method


def test_it_knew_who_asks() -> None:
    assert strangers == {}
    if not answered:
        pytest.skip("no route was asked")
    well = [route for route, found in answered.items() if any(status < 400 for status in found)]
    assert len(well) > len(answered) / 2, {route: dict(found) for route, found in answered.items()}


def test_the_daemon_is_the_same_afterwards(running: Daemon) -> None:
    status = running.status()
    assert status["pid"] == running.pid
    assert {service["name"]: service["restarts"] for service in status["services"] if service["restarts"]} == {}
