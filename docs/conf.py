# SPDX-License-Identifier: MIT
"""How Sphinx makes HTML of these pages: `make guide`, by scripts/guide.

The pages are Markdown that forges show as well. What HTML needs beyond that is made here:
the table of contents, which is the order of the links in README.md, and plain text in place
of links to files of the tree that are no pages.
"""
import os
import re

project = "ipcbus"
author = "ipcbus maintainers"
copyright = author
release = os.environ.get("VERSION", "")
extensions = ["myst_parser", "sphinx.ext.graphviz"]
source_suffix = {".md": "markdown"}
root_doc = "README"
myst_heading_anchors = 3
graphviz_output_format = "svg"
html_theme = "alabaster"
html_theme_options = {"description": "Calls between processes on Linux", "page_width": "60em"}
html_sidebars = {"**": ["about.html", "navigation.html", "searchbox.html"]}
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False

LINK = re.compile(r"\[([^][]*(?:\[[^]]*\][^][]*)*)\]\(([^()\s]+)\)")


def without_outside_links(docname, text):
    """A link to a file that is no page becomes its text, and where the file is."""
    folder = os.path.dirname(docname)

    def plain(match):
        name, target = match.groups()
        path = os.path.normpath(os.path.join(folder, target.partition("#")[0] or "."))
        inside = target.startswith("#") or not path.startswith("..") and path.endswith((".md", ".svg"))
        if inside or re.match(r"^[a-z]+:", target):
            return match.group(0)
        path = path[3:] if path.startswith("../") else "docs/" + path
        return name if name.strip("`") in (path, "../" + path) else f"{name} (`{path}`)"

    parts = re.split(r"(^```.*?^```$)", text, flags=re.M | re.S)
    return "".join(p if p.startswith("```") else LINK.sub(plain, p) for p in parts)


def toctrees(text):
    """The pages that README.md names, one table of contents for each of its sections."""
    trees = ""
    for section in re.split(r"^## ", text, flags=re.M)[1:]:
        pages = [t[:-3] for _, t in LINK.findall(section) if t.endswith(".md") and ".." not in t]
        trees += "\n```{toctree}\n:hidden:\n:caption: " + section.split("\n")[0] + "\n\n"
        trees += "\n".join(pages) + "\n```\n"
    return trees


def on_read(app, docname, source):
    text = source[0]
    source[0] = without_outside_links(docname, text)
    if docname == root_doc:
        source[0] += toctrees(text)


def setup(app):
    app.connect("source-read", on_read)
    return {"parallel_read_safe": True}
