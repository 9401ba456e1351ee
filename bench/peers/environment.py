"""The peers that come from the package index: an environment of their own, made when missing."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
from pathlib import Path

from bench.processes import BenchFailure, run_pinned

FOLDER = Path(__file__).resolve().parents[2] / ".bench-venv"
PACKAGES = ("aiohttp==3.*", "locust==2.*", "uvloop")
INSTALL_SECONDS = 600
HERE = Path(__file__).parent


def peers_python() -> Path:
    """Return the interpreter of the peers' environment, made on the first call.

    Raises:
        BenchFailure: it cannot be made.
    """
    python = FOLDER / "bin" / "python"
    stamp = FOLDER / "complete"
    if not stamp.exists():
        venv.create(FOLDER, with_pip=True, clear=True)
        argv = [str(python), "-m", "pip", "install", "--quiet", *PACKAGES]
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
        if done.returncode:
            raise BenchFailure(f"the peers cannot be installed: {done.stderr.strip()[-300:]}")
        stamp.touch()
    return python


def aiohttp_per_cpu_second(url: str, core: int, seconds: int) -> float:
    """Return GET requests a CPU-second of aiohttp's client."""
    argv = [str(peers_python()), str(HERE / "aiohttp_loop.py"), url, str(seconds)]
    return float(run_pinned(argv, core, timeout_s=seconds + 30).output.strip().splitlines()[-1])


def locust_per_cpu_second(url: str, core: int, seconds: int, journey: str) -> float:
    """Return requests a CPU-second of Locust's FastHttpUser; `journey` is `get` or `post`."""
    argv = ["env", f"BENCH_JOURNEY={journey}", str(peers_python()), "-m", "locust"]
    argv += ["-f", str(HERE / "locust_users.py"), "--headless", "-u", "50", "-r", "50"]
    argv += ["-t", f"{seconds + 2}s", "--host", url, "--only-summary", "-L", "ERROR"]
    cost = run_pinned(argv, core, timeout_s=seconds + 60)
    found = re.search(r"per_cpu_second=([\d.]+)", cost.output)
    if found is None:
        raise BenchFailure(f"locust said: {cost.output[-300:]}")
    return float(found.group(1))


def version_lines() -> list[str]:
    """Return name and version of each peer of the environment."""
    code = "from importlib.metadata import version as v; print('aiohttp', v('aiohttp')); "
    code += "print('locust', v('locust'))"
    done = subprocess.run(
        [str(peers_python()), "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    return done.stdout.strip().splitlines() or [f"python {sys.version.split()[0]}"]
