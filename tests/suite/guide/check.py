#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Static checks of documentation pages. Run from the top of the tree:

    check.py links PAGE...     broken links and anchors
    check.py blocks PAGE...    blocks that no test compiles or runs
    check.py mans PAGE...      names of manual pages that do not exist
    check.py listed INDEX PAGE...   pages missing in the index

Each prints "PAGE:LINE: PROBLEM". The marks of blocks are described in tests/suite/guide/extract.
"""
import os
import re
import sys
import unicodedata

FENCE = re.compile(r"^\s*```+\s*(\S*)")
# Blocks that a reader would run or compile. Other blocks show a table or a diagram.
LANGUAGES = {"c", "sh", "proto", "make", "conf", "python", "cpp"}
MARKS = re.compile(r"^<!-- (file \S+|run|run in \S+|here|from \S+|as \S+|prints|unrun: .+)( -->)$")
# docs/tutorial.md also has the marks of tests/suite/install/tutorial.
TUTORIAL = re.compile(r"^<!-- (packages|once|build) -->$")
# Manual pages with these names belong to this tree.
OURS = re.compile(r"\b((?:ipc|ipcbus|ipcctl|servicemanager|protoc-gen-ipc)[a-z_-]*)\*{0,2}\(([1-8])\)")


def lines_of(page):
    with open(page, encoding="utf-8") as f:
        return f.read().split("\n")


def prose(page):
    """Yields (number, line) outside of blocks."""
    inside = False
    for number, line in enumerate(lines_of(page), 1):
        if FENCE.match(line):
            inside = not inside
        elif not inside and not line.startswith("    "):
            yield number, line


def slug(heading):
    """Returns the anchor that forges and Sphinx create for a heading."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
    text = re.sub(r"[`*]", "", text).strip().lower()
    kept = [c for c in text if c in " -_" or unicodedata.category(c)[0] in "LN"]
    return "".join(kept).replace(" ", "-")


def anchors(page):
    found = set()
    for _, line in prose(page):
        match = re.match(r"^#+ +(.*)$", line)
        if match:
            name, n = slug(match.group(1)), 0
            while name in found:
                n += 1
                name = f"{slug(match.group(1))}-{n}"
            found.add(name)
    return found


def links(pages):
    link = re.compile(r"\[(?:[^][]|\[[^]]*\])*\]\(([^()\s]+)\)")
    for page in pages:
        text = [(n, re.sub(r"`[^`]*`", "`", line)) for n, line in prose(page)]
        # A link's text may be broken over two lines.
        for (number, line), (_, after) in zip(text, text[1:] + [(0, "")]):
            both = line + " " + after
            for match in link.finditer(both):
                if match.start() >= len(line):
                    continue
                target, _, anchor = match.group(1).partition("#")
                if re.match(r"^[a-z]+:", target):
                    continue
                path = os.path.normpath(os.path.join(os.path.dirname(page), target)) if target else page
                if not os.path.exists(path):
                    print(f"{page}:{number}: {target} is not there")
                elif anchor and (not path.endswith(".md") or anchor not in anchors(path)):
                    print(f"{page}:{number}: {path} has no heading #{anchor}")


def piece_is_in(block, path):
    with open(path, encoding="utf-8") as f:
        return "\n" + "\n".join(block) + "\n" in "\n" + f.read()


def judge(page, number, language, mark, block):
    if mark is None:
        if language in LANGUAGES:
            print(f"{page}:{number}: nothing compiles or runs this block of {language}")
        return
    verb, _, path = mark.partition(" ")
    if verb not in ("from", "as"):
        return
    if not os.path.isfile(path):
        print(f"{page}:{number}: {path} is not there")
    elif verb == "from" and not piece_is_in(block, path):
        print(f"{page}:{number}: {path} has no such piece")
    elif verb == "as":
        has = {re.sub(r"\\-", "-", line).strip() for line in lines_of(path)}
        for line in block:
            if line.strip() not in has:
                print(f"{page}:{number}: {path} does not have: {line}")


def blocks(pages):
    for page in pages:
        mark, block, language, begin = None, None, "", 0
        for number, line in enumerate(lines_of(page), 1):
            fence = FENCE.match(line)
            if block is not None:
                if fence:
                    judge(page, begin, language, mark, block)
                    mark, block = None, None
                else:
                    block.append(line)
            elif fence:
                block, language, begin = [], fence.group(1), number
            elif MARKS.match(line):
                mark = MARKS.match(line).group(1)
            elif page.endswith("tutorial.md") and TUTORIAL.match(line):
                mark = "run"
            elif re.match(r"^<!-- [a-z]+( |$)", line) and "SPDX" not in line:
                print(f"{page}:{number}: this is no mark: {line}")
            elif line.startswith("    ") and mark is None and not lines_of(page)[number - 2].strip():
                print(f"{page}:{number}: a block without a fence, which nothing runs")
            elif line.strip():
                if mark:
                    print(f"{page}:{number}: the mark before is not for a block")
                mark = None


def mans(pages):
    have = set()
    for folder, _, files in os.walk("."):
        if folder.startswith(("./build", "./.git")):
            continue
        have.update(f for f in files if re.search(r"\.[1-8]$", f))
    have.update(os.listdir(os.path.join(os.environ.get("B", "build"), "libipc/man")))
    for page in pages:
        for number, line in prose(page):
            for name, section in OURS.findall(line):
                if f"{name}.{section}" not in have:
                    print(f"{page}:{number}: there is no manual page {name}({section})")


def listed(index, pages):
    with open(index, encoding="utf-8") as f:
        text = f.read()
    for page in pages:
        relative = os.path.relpath(page, os.path.dirname(index))
        if f"]({relative})" not in text and page != index:
            print(f"{page}:1: {index} does not name it")


def main():
    verb, *arguments = sys.argv[1:]
    if verb == "listed":
        listed(arguments[0], arguments[1:])
    else:
        {"links": links, "blocks": blocks, "mans": mans}[verb](arguments)


main()
