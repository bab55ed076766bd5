"""The words of a bundle: captions, what is in it, and how it is made again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dmlviz import __version__
from dmlviz.figures.base.markdown_text import markdown_text
from dmlviz.figures.base.tex_text import needed, pasted

Caption = tuple[str, str, str]  # file name without its extension, title, caption


def captions_markdown(captions: Sequence[Caption]) -> str:
    """A heading and a paragraph per figure."""
    return "\n".join(f"## {markdown_text(name)}: {markdown_text(title)}\n\n{markdown_text(caption)}\n" for name, title, caption in captions)


def captions_tex(captions: Sequence[Caption]) -> str:
    """A figure environment per figure, to be pasted into a paper; what pdfLaTeX has no letter for is a small box with its code point."""
    blocks = [
        "\\begin{figure}[t]\n  \\centering\n"
        f"  \\includegraphics{{figures/{name}.pdf}}\n  \\caption{{{pasted(caption)}}}\n  \\label{{fig:{name}}}\n\\end{{figure}}\n"
        for name, _, caption in captions
    ]
    body = "\n".join(blocks)
    return "\n".join(["% Needs \\usepackage{graphicx}; the figures have their width already.", *needed(body), body])


def read_me(folder: Path) -> str:
    """What lies in the folder, and the two commands."""
    parts = {
        "figures": "every figure as PDF, SVG and PNG at its exact width, with a JSON that says what it shows and of which runs",
        "tables": "every table as LaTeX (booktabs), CSV and Markdown", "data": "the tables that the figures are drawn from, as CSV",
        "configs": "what each run was trained with", "splits": "the row ids of every draw, with their hashes",
    }  # fmt: skip
    there = [f"- `{name}/`: {words}." for name, words in parts.items() if (folder / name).is_dir()]
    return "\n".join([
        "# Figures and tables with all they were made from", "", f"Made with DMLViz {__version__}.", "", *there,
        "- `captions.md`, `captions.tex`: a caption for each figure.",
        "- `methods.md`, `methods.tex`, `references.bib`: the settings in a paragraph, and what to cite.",
        "- `environment.txt`: the versions of everything that was installed.", "- `checksums.sha256`: for `sha256sum -c checksums.sha256`.",
        "", "Draw every figure and table again, from `data/` alone, and compare it with the files here:", "", "    python rebuild.py", "",
        "Train the runs again from `configs/` into a new home, and compare the draws with `splits/`:", "", "    python retrain.py NEW_HOME", "",
    ])  # fmt: skip


def scripts() -> dict[str, str]:
    """rebuild.py and retrain.py: they call the installed DMLViz."""
    head = "import subprocess\nimport sys\nfrom pathlib import Path\n\nhere = Path(__file__).resolve().parent\n"
    call = 'sys.exit(subprocess.call([sys.executable, "-m", "dmlviz", '
    again = f'{head}{call}"rebuild", str(here), *sys.argv[1:]]))\n'
    train = f'{head}home = sys.argv[1:2] or ["retrained"]\n{call}"retrain", str(here), "--home", *home, *sys.argv[2:]]))\n'
    wanted = f"# pip install dmlviz=={__version__}, with the versions of environment.txt for equal bytes\n"
    return {"rebuild.py": f'"""Draws every figure and table of this folder again, from data/ alone."""\n\n{wanted}{again}',
            "retrain.py": f'"""Trains the runs of configs/ again, into a home of their own."""\n\n{wanted}{train}'}  # fmt: skip
