"""Our side: crates built by cargo, from specs of the repository or made up here, and their programs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
# A workspace of made-up specs, which shares what cargo has built for the repository's.
SCRATCH = TARGET / "bench"

# What a dump cannot write, or `tables.py` does not do.
PARITY_LEAVES_OUT = {
    "`rows { request … }`": re.compile(r"^rows\s*\{\s*request[^}]*\}", re.MULTILINE),
    "optimisers of tables": re.compile(r",\s*embeddings\s*\{[^}]*\}|\bembeddings\s*\{[^}]*(?:optimiser|frequency)[^}]*\}"),
}


class Failed(Exception):
    """A command failed; the text is what it said."""


def run(*words, cwd=ROOT, environment=()):
    """Runs a command to its end, with some more variables of the environment, and returns what it printed."""
    words = [str(word) for word in words]
    variables = os.environ | dict(environment)
    done = subprocess.run(words, cwd=cwd, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"`{' '.join(words)}` ended with {done.returncode}:\n{done.stderr or done.stdout}")
    return done.stdout


def cargo_build(binary, workspace=ROOT, features=()):
    """Builds as `mtmdc train` does: the whole workspace takes part, so that all crates share one build of the runtime."""
    words = ["cargo", "build", "--release", "--workspace", "--bin", binary, "--target-dir", TARGET]
    if features:
        words += ["--features", ",".join(features)]
    run(*words, cwd=workspace)
    return TARGET / "release" / binary


def model_name(spec):
    return re.search(r"^\s*model\s+(\w+)", Path(spec).read_text(encoding="utf-8"), re.MULTILINE)[1]


def build(spec):
    """The program of a spec of the repository."""
    compiler = cargo_build("mtmdc")
    run(compiler, "build", Path(spec).resolve())
    return cargo_build(model_name(spec))


def build_text(text):
    """The program of a spec that is only a text, in the scratch workspace."""
    compiler = cargo_build("mtmdc")
    prepare_scratch()
    name = re.search(r"^model\s+(\w+)", text, re.MULTILINE)[1]
    spec = SCRATCH / f"{name}.mtmd"
    spec.write_text(text, encoding="utf-8")
    run(compiler, "build", spec, "--out", SCRATCH / "generated")
    return cargo_build(name, SCRATCH)


def build_plain(spec):
    """The program of a spec whose batches PyTorch can take and repeat, and what was left out of a copy of it for that."""
    text, left_out = Path(spec).read_text(encoding="utf-8"), []
    for what, pattern in PARITY_LEAVES_OUT.items():
        text, count = pattern.subn("", text)
        left_out += [what] * (count > 0)
    if not left_out:
        return build(spec), left_out
    return build_copy(spec, f"{model_name(spec)}_plain", text), left_out


def build_copy(spec, name, text):
    """The program of a changed text of a spec, under another name, beside copies of what the spec uses."""
    compiler = cargo_build("mtmdc")
    prepare_scratch()
    shutil.copytree(Path(spec).parent, SCRATCH / "specs", dirs_exist_ok=True)
    copy = SCRATCH / "specs" / f"{name}.mtmd"
    copy.write_text(re.sub(r"^(\s*model\s+)\w+", rf"\g<1>{name}", text, count=1, flags=re.MULTILINE), encoding="utf-8")
    run(compiler, "build", copy, "--out", SCRATCH / "generated")
    return cargo_build(name, SCRATCH)


def with_request(text, column="request_id"):
    """A spec whose rows tell their request, whatever it said before."""
    text = without_request(text)
    if re.search(r"^rows\s*\{", text, re.MULTILINE):
        return re.sub(r"^rows\s*\{", f'rows {{ request "{column}",', text, count=1, flags=re.MULTILINE)
    return f'{text}\nrows {{ request "{column}" }}\n'


def without_request(text):
    text = re.sub(r"^rows\s*\{\s*request\s+\"[^\"]*\"\s*\}", "", text, flags=re.MULTILINE)
    return re.sub(r"^(rows\s*\{[^}]*?)(?:,\s*request\s+\"[^\"]*\"|request\s+\"[^\"]*\"\s*,?)", r"\1", text, flags=re.MULTILINE)


def prepare_scratch():
    manifest = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    manifest = manifest[: manifest.index("[package]")]
    manifest = re.sub(r"^members = .*$", 'members = ["generated/*"]', manifest, flags=re.MULTILINE)
    manifest = re.sub(r"^exclude = .*\n", "", manifest, flags=re.MULTILINE)
    manifest = re.sub(r'path = "([^"]+)"', lambda found: f'path = "{ROOT / found[1]}"', manifest)
    shutil.rmtree(SCRATCH / "generated", ignore_errors=True)
    (SCRATCH / "generated").mkdir(parents=True)
    (SCRATCH / "Cargo.toml").write_text(manifest, encoding="utf-8")
    shutil.copy(ROOT / "Cargo.lock", SCRATCH)
