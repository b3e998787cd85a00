"""Settings of Sphinx for the documentation site, which `make docs` builds into build/site.

Neither building nor reading needs a network: no fonts or scripts come from elsewhere, and the search works on files
that are opened from a disk. The pages of the reference are written into docs/reference before the others are read.
"""

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "generator"))

project = "benevolent"
html_title = "benevolent"
extensions = ["myst_parser"]
exclude_patterns = ["generator"]
myst_heading_anchors = 4
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
smartquotes = False  # names of fields and options stay as they are typed
nitpicky = True  # with `sphinx-build -W`, a link that leads nowhere is an error

#: A link to a file of the repository that is no page of the site, such as `[deploy/Dockerfile](../deploy/Dockerfile)`.
OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]*\)")
#: The first line of a block of code that is the content of a file.
TITLED = re.compile(r'^```(\w+) title="([^"]+)"$', re.MULTILINE)


def write_reference(app: Sphinx) -> None:
    """Write the pages that are made from the registries, unless they are there already as they would be written."""
    from reference_pages import reference_pages

    folder = DOCS / "reference"
    folder.mkdir(exist_ok=True)
    for name, text in reference_pages(DOCS.parent).items():
        page = folder / f"{name}.md"
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def adapt_page(app: Sphinx, name: str, source: list[str]) -> None:
    """Show files of the repository by their names, and the name of a file above its content."""
    if name.startswith("reference/"):
        return
    without_links = OUTSIDE.sub(_as_code, source[0])
    source[0] = TITLED.sub(r"```{code-block} \1\n:caption: \2\n", without_links)


def _as_code(link: re.Match[str]) -> str:
    name = link[1]
    return name if name.startswith("`") else f"`{name}`"


def setup(app: Sphinx) -> None:
    """Connect the functions above with Sphinx."""
    app.connect("builder-inited", write_reference)
    app.connect("source-read", adapt_page)
