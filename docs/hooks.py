"""What MkDocs needs to show the pages as a forge shows them: links to files outside of docs/, and info strings of blocks."""

import re
from pathlib import Path

from mkdocs.structure.files import File

REPOSITORY = Path(__file__).resolve().parent.parent

# A link from a page to a file of the repository, such as (../schemas/model.schema.json).
OUTSIDE = re.compile(r"\]\(\.\./([^)#]+)(#[^)]*)?\)")


def site_name(path):
    """Where the site has a file of the repository. Markdown is shown as it is written."""
    return f"repository/{path}.txt" if path.endswith(".md") else f"repository/{path}"


def on_files(files, config):
    pages = [page.content_string for page in files.documentation_pages()]
    for path in sorted({link[1] for page in pages for link in OUTSIDE.finditer(page)}):
        if (REPOSITORY / path).is_file():
            files.append(File.generated(config, site_name(path), content=(REPOSITORY / path).read_bytes()))
    return files


def on_page_markdown(markdown, **_):
    # A fence says more than its language: ```rust,no_run, ```sh no_run: needs a GPU.
    markdown = re.sub(r"^```(\w+)[, ].*$", r"```\1", markdown, flags=re.M)
    return OUTSIDE.sub(lambda link: f"]({site_name(link[1])})", markdown)
