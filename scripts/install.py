"""Installs the locked dependencies and Solo itself into the environment of the Python that runs this.

llama.cpp is compiled from its source archive (checked against the lock file), which takes some minutes; the wheel is
kept in a cache outside the repository and found there by every later installation on this machine.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMPILED = "llama-cpp-python"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "solo" / "wheels"
WITHOUT_TILES = "-mno-amx-tile -mno-amx-int8 -mno-amx-bf16"
"""llama.cpp configures AMX's tiles once for each thread and finds them gone later: on processors that have them it ends
with SIGILL as soon as it reads a longer prompt on several threads."""


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
    flags = WITHOUT_TILES if knows(WITHOUT_TILES) else ""
    # Compiled for the processor that is here; another one may not know its instructions.
    key = hashlib.sha256(f"{processor()} {flags}".encode()).hexdigest()[:12]
    cache = CACHE / f"cp{sys.version_info.major}{sys.version_info.minor}-{key}"
    pattern = f"{COMPILED.replace('-', '_')}-{version}-*.whl"
    if not (found := list(cache.glob(pattern))):
        sys.stdout.write(f"compiling {COMPILED} {version}; this takes some minutes, once on this machine\n")
        sys.stdout.flush()
        source = folder / "compiled.lock"
        source.write_text(entry, encoding="utf-8")
        made = folder / "made"
        # Without its own cache of what it has built, which knows nothing of flags and processors.
        pip = [
            sys.executable,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "wheel",
            "--quiet",
            "--no-deps",
            "--no-cache-dir",
        ]
        run([*pip, "--require-hashes", "-r", str(source), "-w", str(made)], flags)
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


def processor() -> str:
    """What tells processors apart that need different code."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.machine())


def knows(flags: str) -> bool:
    """Whether the C++ compiler takes them; those of other processors do not."""
    command = ["c++", *flags.split(), "-E", "-x", "c++", os.devnull, "-o", os.devnull]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def run(command: list[str], compiler_flags: str = "") -> None:
    environment = dict(os.environ)
    if compiler_flags:
        for name in ("CFLAGS", "CXXFLAGS"):
            environment[name] = f"{environment.get(name, '')} {compiler_flags}".strip()
    if code := subprocess.call(command, env=environment):
        sys.exit(code)


if __name__ == "__main__":
    main()
