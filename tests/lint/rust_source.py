"""Rust source with comments and literals blanked, so that a word in code can be told from a word in prose."""

import re

_TOKEN = re.compile(
    r"""
      (?P<line>//[^\n]*)
    | (?P<block>/\*)
    | (?P<raw>\b(?:br|cr|r)(?P<hashes>\#*)")
    | (?P<text>\b[bc]?"(?:[^"\\]|\\.)*"|"(?:[^"\\]|\\.)*")
    | (?P<char>\bb?'(?:[^'\\\n]|\\[^\n][^'\n]*)'|'(?:[^'\\\n]|\\[^\n][^'\n]*)')
    """,
    re.VERBOSE | re.DOTALL,
)


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def _end_of_block(source: str, start: int) -> int:
    depth, at = 0, start
    while at < len(source):
        if source.startswith("/*", at):
            depth, at = depth + 1, at + 2
        elif source.startswith("*/", at):
            depth, at = depth - 1, at + 2
            if depth == 0:
                return at
        else:
            at += 1
    return len(source)


def code_only(source: str, keep_literals: bool = False) -> str:
    """The same text, line for line, with comments (and literals, unless kept) replaced by spaces."""
    out, at = [], 0
    while match := _TOKEN.search(source, at):
        out.append(source[at : match.start()])
        kind, end = match.lastgroup, match.end()
        if match.group("block"):
            kind, end = "block", _end_of_block(source, match.start())
        elif match.group("raw"):
            kind = "raw"
            close = source.find('"' + match.group("hashes"), match.end())
            end = len(source) if close < 0 else close + 1 + len(match.group("hashes"))
        piece = source[match.start() : end]
        keep = keep_literals and kind not in ("line", "block")
        out.append(piece if keep else _blank(piece))
        at = end
    out.append(source[at:])
    return "".join(out)
