"""The Typer app that every command adds itself to, and the options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

HELP = """Everything from a shell: train, look at runs, write figures.

What a script needs goes to stdout, all else to stderr. Exit 0: done as asked; 1: the run failed or is not sound; 2: a mistake in what was asked,
said in one sentence; 130: ended by Ctrl-C.
"""
UsageError = typer.BadParameter.__base__  # Typer carries its own Click and exports only this child of its UsageError
app = typer.Typer(help=HELP, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


def option(kind: type, name: str, words: str) -> Any:
    return Annotated[kind, typer.Option(name, help=words)]


Home = option(str | None, "--home", "folder of runs and data sets; default $DMLVIZ_HOME, else ./dmlviz-data")
RunId = Annotated[str, typer.Argument(metavar="RUN", help="id of a run, as `runs` lists it")]
AsJson = option(bool, "--json", "JSON instead of a table")
Sets = option(list[str] | None, "--set", "key=value, repeatable: any RunConfig field or a setting of the loss (loss.key if both have it)")
Dataset = option(str | None, "--dataset", "catalogue name, folder, file or Hub id")
Encoder = option(str | None, "--encoder", "bundled name, folder or Hub id")
Tokenizer = option(str | None, "--tokenizer", "folder or Hub id of the tokenizer; default the model's own")
Pooling = option(str | None, "--pooling", "cls, mean, max, last ...; default as the model says, else by its architecture")
Epochs = option(int | None, "--epochs", "passes over the training texts")
BatchSize = option(int | None, "--batch-size", "texts per step")
Lr = option(float | None, "--lr", "peak learning rate")
CeWeight = option(float | None, "--ce-weight", "share of cross-entropy, 0 to 1")
Config = option(Path | None, "--config", "JSON or YAML of RunConfig fields; a run's config.json will do")
Loss = option(str | None, "--loss", "a loss; default cross_entropy")
Shots = option(str | None, "--shots", "training texts per class, or 'all'; default 8")
ShotsBy = option(str | None, "--shots-by", "class or total")
SupportSeed = option(int | None, "--support-seed", "draws the shots")
Seed = option(int | None, "--seed", "everything else that is random")
MaxLength = option(int | None, "--max-length", "tokens per text")
TextColumn = option(str | None, "--text-column", "own file: column of the texts")
LabelColumn = option(str | None, "--label-column", "own file: column of the labels")
PairColumn = option(str | None, "--pair-column", "own file: column of the second texts")
Encoding = option(str | None, "--encoding", "own file: how its bytes are to be read, as cp1251, gb18030, shift_jis, koi8_r; default: found out")
Detach = option(bool, "--detach", "return at once; the run goes on by itself")
