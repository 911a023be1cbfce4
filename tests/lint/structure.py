#!/usr/bin/env python3
"""The structure of this repository, checked: sizes, direction of dependencies, what may be named or linked where.

Needs nothing but Python, git and cargo, no network. The lists to edit stand in reviewed.py; test_structure.py proves
that each check fails on what it is there to catch.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import reviewed
from rust_source import code_only

HARD_LIMIT = 700
SOFT_LIMIT = 400
LONG_MARK = "//! Long because"
GENERATED_OR_DATA = {".lock", ".bin", ".png", ".snap", ".pb"}


class Tree:
    """The files of the repository: those that git knows or would add; in a plain directory, all."""

    def __init__(self, root):
        self.root = Path(root)
        listed = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            capture_output=True, text=True, check=False,
        ) if (self.root / ".git").exists() else None
        if listed and listed.returncode == 0:
            names = [name for name in listed.stdout.split("\0") if name]
        else:
            names = list(_walk(self.root))
        self.names = sorted(name for name in names if (self.root / name).is_file())

    def rust(self):
        return [name for name in self.names if name.endswith(".rs")]

    def text(self, name):
        return (self.root / name).read_text(encoding="utf-8", errors="replace")


def _walk(root):
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in {".git", ".tools", ".venv", "node_modules", "target", "dist", "__pycache__"}]
        for name in files:
            yield os.path.relpath(os.path.join(folder, name), root)


def _within(name, places):
    return any(name == place or (place.endswith("/") and name.startswith(place)) for place in places)


def _lines_with(pattern, text):
    compiled = re.compile(pattern)
    return [number for number, line in enumerate(text.splitlines(), 1) if compiled.search(line)]


# --- files -----------------------------------------------------------------------------------------------------------


def file_sizes(tree, limits=None):
    """No Rust file over 700 lines without saying why at its top; some have a limit of their own."""
    limits = reviewed.LINE_LIMITS if limits is None else limits
    for name in tree.rust():
        lines = tree.text(name).splitlines()
        if name in limits and len(lines) > limits[name]:
            yield f"{name}: {len(lines)} lines, its own limit is {limits[name]}"
        elif len(lines) > HARD_LIMIT and not any(line.startswith(LONG_MARK) for line in lines[:30]):
            yield f"{name}: {len(lines)} lines, the limit is {HARD_LIMIT}: split it, or write `{LONG_MARK} …` at its top"


def long_files(tree):
    """Not an error: files worth a look."""
    sizes = [(len(tree.text(name).splitlines()), name) for name in tree.rust()]
    return sorted((size, name) for size, name in sizes if size > SOFT_LIMIT)[::-1]


def module_docs(tree):
    """Each Rust file begins by saying what it is."""
    for name in tree.rust():
        text = tree.text(name).lstrip("\ufeff \n")
        if text and not text.startswith("//!"):
            yield f"{name}: begins without `//!`: say in a line or two what it is and what it must never know"


def unsafe_code(tree, allowed=None):
    """`unsafe` only in reviewed files."""
    allowed = reviewed.UNSAFE if allowed is None else allowed
    yield from _reviewed_word(tree, r"\bunsafe\b", allowed, (), "UNSAFE")


def exposed_secrets(tree, allowed=None):
    """A secret leaves its type only in reviewed files."""
    allowed = reviewed.EXPOSES_SECRETS if allowed is None else allowed
    yield from _reviewed_word(tree, r"\bexpose_secret(_mut)?\b", allowed, reviewed.EXPOSES_SECRETS_FREELY, "EXPOSES_SECRETS")


def _reviewed_word(tree, pattern, allowed, free, list_name):
    seen = set()
    for name in tree.rust():
        if _within(name, free):
            continue
        found = _lines_with(pattern, code_only(tree.text(name)))
        if found and name in allowed:
            seen.add(name)
        elif found:
            yield f"{name}:{found[0]}: matches `{pattern}`, and the file is not in {list_name} (tests/lint/reviewed.py)"
    for name in sorted(set(allowed) - seen):
        yield f"{name}: stands in {list_name} (tests/lint/reviewed.py) without need"


def only_in(tree, rules=None):
    """Some words only in some files."""
    for pattern, place, allowed, why in reviewed.ONLY_IN if rules is None else rules:
        for name in tree.names:
            if not name.endswith((".rs", ".py", ".sh")) or name.startswith("tests/lint/"):
                continue
            if not name.startswith(place) or _within(name, allowed):
                continue
            text = tree.text(name)
            text = code_only(text, keep_literals=True) if name.endswith(".rs") else text
            for line in _lines_with(pattern, text):
                yield f"{name}:{line}: `{pattern}` does not belong here: {why}"


def foreign_words(tree, words=None):
    """No file tells where, by whom or on what machine it was written."""
    for pattern, what in reviewed.FOREIGN_WORDS if words is None else words:
        for name in tree.names:
            if Path(name).suffix in GENERATED_OR_DATA or name.startswith("tests/lint/"):
                continue
            for line in _lines_with(pattern, tree.text(name)):
                yield f"{name}:{line}: {what} (`{pattern}`)"


def error_texts(tree):
    """The text of an error is a fragment: it begins in lower case and ends without a period."""
    pattern = re.compile(r'#\[error\(\s*"((?:[^"\\]|\\.)*)"')
    for name in tree.rust():
        text = code_only(tree.text(name), keep_literals=True)
        for match in pattern.finditer(text):
            said, line = match.group(1), text.count("\n", 0, match.start()) + 1
            if re.match(r"[A-Z][a-z]", said) or said.endswith("."):
                yield f"{name}:{line}: error text `{said}`: begin in lower case, end without a period"


# --- crates ----------------------------------------------------------------------------------------------------------


def direction(packages, allowed=None):
    """Our crates depend on each other one way only."""
    allowed = reviewed.DIRECTION if allowed is None else allowed
    ours = {package["name"] for package in packages}
    for package in packages:
        name = package["name"]
        if name not in allowed:
            yield f"{name}: a new crate: add it to DIRECTION (tests/lint/reviewed.py)"
            continue
        for dependency in package["dependencies"]:
            if dependency["name"] in ours - allowed[name]:
                yield f"{name}: must not depend on {dependency['name']}"


def own_manifests(packages, banned=None, optional=None):
    """What a crate of ours must not name, or must keep behind a feature."""
    banned = reviewed.MUST_NOT_DEPEND if banned is None else banned
    optional = reviewed.MUST_BE_OPTIONAL if optional is None else optional
    for package in packages:
        name = package["name"]
        for dependency in package["dependencies"]:
            if dependency["name"] in banned.get(name, set()) | banned.get("*", set()):
                yield f"{name}: must not name {dependency['name']} in its manifest"
            if dependency["kind"] is None and not dependency["optional"] and dependency["name"] in optional.get(name, set()):
                yield f"{name}: {dependency['name']} must be optional, behind a feature"


def must_not_link(linked, banned=None):
    """What must not be in a crate's tree, however deep. `linked`: crate name to the set of package names in its tree."""
    for name, packages in (reviewed.MUST_NOT_LINK if banned is None else banned).items():
        for package in sorted(packages & linked.get(name, set())):
            yield f"{name}: links {package}; find out why with `cargo tree -p {name} -e normal -i {package}`"


def cargo_packages(root):
    answer = subprocess.run(
        ["cargo", "metadata", "--offline", "--locked", "--no-deps", "--format-version", "1"],
        cwd=root, capture_output=True, text=True, check=False,
    )
    if answer.returncode:
        sys.exit(f"error: cargo metadata failed\n{answer.stderr}")
    return json.loads(answer.stdout)["packages"]


def cargo_linked(root, names):
    linked = {}
    for name in names:
        answer = subprocess.run(
            ["cargo", "tree", "--offline", "--locked", "-p", name, "-e", "normal", "--prefix", "none", "--format", "{p}"],
            cwd=root, capture_output=True, text=True, check=False,
        )
        if answer.returncode:
            sys.exit(f"error: cargo tree -p {name} failed\n{answer.stderr}")
        linked[name] = {line.split()[0] for line in answer.stdout.splitlines() if line.strip()}
    return linked


FILE_CHECKS = [file_sizes, module_docs, unsafe_code, exposed_secrets, only_in, foreign_words, error_texts]


def main():
    root = Path(__file__).resolve().parents[2]
    tree, packages = Tree(root), cargo_packages(root)
    problems = [problem for check in FILE_CHECKS for problem in check(tree)]
    problems += direction(packages)
    problems += own_manifests(packages)
    problems += must_not_link(cargo_linked(root, reviewed.MUST_NOT_LINK))
    for size, name in long_files(tree):
        print(f"note: {name} has {size} lines (over {SOFT_LIMIT})")
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    print(f"structure: {len(tree.names)} files, {len(packages)} crates, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
