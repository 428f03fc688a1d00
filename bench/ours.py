"""Our side: building crates with cargo, running their programs, and asking one for rounds."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def target():
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"


def cargo(*words):
    subprocess.run(["cargo", *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def name(spec):
    return re.search(r"^\s*model\s+(\w+)", Path(spec).read_text(), re.MULTILINE)[1]


def compile_spec(spec):
    """Writes graph and crate of a spec of `specs/`, if they are stale."""
    subprocess.run(["cargo", "run", "--release", "--quiet", "-p", "mtmdc", "--", "build", spec], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def build(spec):
    """The program of a spec's crate, built anew if need be."""
    compile_spec(spec)
    crate = name(spec)
    cargo("build", "--release", "--quiet", "-p", crate)
    return target() / crate


def run(program, *words):
    return subprocess.run([str(word) for word in (program, *words)], check=True, capture_output=True, text=True).stdout
