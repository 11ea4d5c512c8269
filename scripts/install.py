"""Installs the locked dependencies and Solo itself into the environment of the Python that runs this.

llama.cpp is compiled from its source archive (checked against the lock file), which takes some minutes; the wheel is
kept in a cache outside the repository and found there by every later installation on this machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMPILED = "llama-cpp-python"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "solo" / "wheels"


def main() -> None:
    compiled, others = split((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        rest = Path(folder) / "others.lock"
        rest.write_text(others, encoding="utf-8")
        uv("--no-deps", "--require-hashes", "-r", str(rest))  # the lock file names them all
        uv("--no-deps", str(wheel(compiled, Path(folder))))
    uv("--no-deps", "--no-build-isolation", "-e", str(ROOT))


def split(lock: str) -> tuple[str, str]:
    """The lock file's entry of what is compiled here, and all others."""
    entries: list[str] = []
    for line in lock.splitlines(keepends=True):
        if entries and line.startswith((" ", "#")):
            entries[-1] += line
        else:
            entries.append(line)
    ours = [entry for entry in entries if entry.startswith(f"{COMPILED}==")]
    if len(ours) != 1:
        sys.exit(f"requirements.lock does not name {COMPILED} once; make it afresh with `make lock`")
    return ours[0], "".join(entry for entry in entries if entry is not ours[0])


def wheel(entry: str, folder: Path) -> Path:
    """The compiled wheel, from the cache or made now."""
    version = entry.split()[0].removeprefix(f"{COMPILED}==")
    cache = CACHE / f"cp{sys.version_info.major}{sys.version_info.minor}"
    pattern = f"{COMPILED.replace('-', '_')}-{version}-*.whl"
    if not (found := list(cache.glob(pattern))):
        sys.stdout.write(f"compiling {COMPILED} {version}; this takes some minutes, once on this machine\n")
        sys.stdout.flush()
        source = folder / "compiled.lock"
        source.write_text(entry, encoding="utf-8")
        made = folder / "made"
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
        run([*pip, "--require-hashes", "-r", str(source), "-w", str(made)])
        cache.mkdir(parents=True, exist_ok=True)
        for file in made.glob(pattern):
            # Renamed into place whole: an installation beside this one sees all of it or nothing.
            partial = cache / f".{os.getpid()}-{file.name}"
            partial.write_bytes(file.read_bytes())
            partial.replace(cache / file.name)
        found = list(cache.glob(pattern))
    return found[0]


def uv(*arguments: str) -> None:
    run([sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable, *arguments])


def run(command: list[str]) -> None:
    if code := subprocess.call(command):
        sys.exit(code)


if __name__ == "__main__":
    main()
