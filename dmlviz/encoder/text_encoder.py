"""A Transformer, its tokenizer and its pooling as one module: texts in, Encoded out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dmlviz.core.types import Encoded, LoadReport
from dmlviz.encoder.pooling import pool
from dmlviz.encoder.sentence_modules import write_modules

GROUP = 4  # texts that run together on a CPU; smaller groups waste less padding but feed the cores less


class TextEncoder(nn.Module):
    """A Hugging Face encoder that returns Encoded. Uses the last hidden layer, not the pooler."""

    def __init__(
        self, model: nn.Module, tokenizer: Any, *, pooling: str, max_length: int, layers: nn.Sequential | None = None, lower: bool = False,
        owner: nn.Module | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.pooling = pooling  # of encoder.pooling
        self.layers = nn.Sequential() if layers is None else layers  # what a sentence-transformers model does to the pooled vector
        self.lower = lower  # texts are made lower case first
        self.max_length = min(max_length, usable_length(model) or max_length)
        self.embeds = True  # does it give the same vectors by `inputs_embeds`? The self-test says
        self.report: LoadReport | None = None  # what was read, assumed and left out of where it came from
        self.__dict__["owner"] = owner  # a whole model that `model` is a part of, to be saved with it; no parameters of ours

    @property
    def token_dim(self) -> int:
        """Of a token's vector."""
        return self.model.config.hidden_size

    @property
    def dim(self) -> int:
        """Of a text's vector."""
        linear = [layer.config["out_features"] for layer in self.layers if "out_features" in layer.config]
        return int(linear[-1]) if linear else self.token_dim * len(self.pooling.split("+"))

    def pooled(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D) and (B, T) -> (B, D'), one vector per text."""
        return self.layers(pool(tokens, mask, self.pooling))

    def forward(self, batch: dict[str, Tensor], *, padding_matters: bool = False) -> Encoded:
        """`batch` as `pad` returns it -> Encoded with pooled (B, D), tokens (B, T, D), mask (B, T).

        On a CPU the batch is run in groups of like length, which saves the arithmetic spent on padding (a sixth of the time on Reuters)
        and gives each text the same vectors; padding beyond a group's longest text is zeros then. `padding_matters` runs the batch as it is.
        """
        mask = batch["attention_mask"]  # (B, T)
        if padding_matters or mask.device.type != "cpu" or len(mask) < 2 * GROUP:
            tokens = self.model(**batch).last_hidden_state  # (B, T, D)
        else:
            tokens = self._tokens_in_groups(batch, mask.sum(dim=1))
        return Encoded(self.pooled(tokens, mask), tokens, mask)

    def _tokens_in_groups(self, batch: dict[str, Tensor], lengths: Tensor) -> Tensor:
        order = lengths.argsort(stable=True)
        parts = []
        words = self.model.get_input_embeddings()
        if self.embeds and torch.is_grad_enabled() and isinstance(words, nn.Embedding):
            # looked up once for all groups: each lookup's gradient is a dense table of the whole vocabulary (a seventh of a step on MiniLM)
            batch = {**{name: value for name, value in batch.items() if name != "input_ids"}, "inputs_embeds": words(batch["input_ids"])}
        for rows in order.split(GROUP):
            width = int(lengths[rows].max())
            tokens = self.model(**{name: value[rows, :width] for name, value in batch.items()}).last_hidden_state
            parts.append(nn.functional.pad(tokens, (0, 0, 0, batch["attention_mask"].shape[1] - width)))
        return torch.cat(parts)[order.argsort()]  # (B, T, D)

    def cased(self, texts: Sequence[str]) -> list[str]:
        """The texts as the tokenizer gets them."""
        return [text.lower() for text in texts] if self.lower else list(texts)

    def token_ids(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[dict[str, list[int]]]:
        """One dictionary of token ids per text, cut at max_length, not padded."""
        if not texts:
            return []
        found = self.tokenizer(self.cased(texts), None if pairs is None else self.cased(pairs), truncation=True, max_length=self.max_length)
        return [{key: found[key][i] for key in found} for i in range(len(texts))]

    def pad(self, ids: list[dict[str, list[int]]]) -> dict[str, Tensor]:
        """(B, T) tensors, padded to the longest of the batch."""
        return dict(self.tokenizer.pad(ids, return_tensors="pt"))

    def batches(self, ids: list[dict[str, list[int]]], size: int, *, equal: bool = False) -> Iterator[tuple[list[int], dict[str, Tensor]]]:
        """Batches of texts of like length, longest first (an out-of-memory shows at once), with their positions. `equal`: of the very same length."""
        lengths = [len(one["input_ids"]) for one in ids]
        order, start = sorted(range(len(ids)), key=lambda i: -lengths[i]), 0
        while start < len(order):
            end = start + size
            if equal:
                end = next((place for place in range(start, min(end, len(order))) if lengths[order[place]] != lengths[order[start]]), end)
            positions, start = order[start:end], min(end, len(order))
            yield positions, self.pad([ids[i] for i in positions])

    def save(self, folder: Path) -> None:
        """Write a folder that AutoModel and AutoTokenizer load, and sentence-transformers with the same vectors."""
        whole = self.owner if self.owner is not None else self.model
        whole.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        if not whole.config.is_encoder_decoder:  # that library would read the decoder's vectors
            write_modules(folder, self.pooling, self.token_dim, list(self.layers), self.max_length, self.lower)


def usable_length(model: nn.Module) -> int | None:
    """The longest text in tokens that the model's table of positions takes; None where it has none, as with relative positions.

    A table may begin behind the padding index (RoBERTa, MPNet, CamemBERT) or some places further on (BART); its size alone does not say so.
    """
    config = model.config
    named = [getattr(config, name, None) for name in ("max_position_embeddings", "n_positions", "max_sequence_length")]
    limits = [int(one) for one in named if isinstance(one, int) and one > 0]
    for name, table in model.named_modules():
        if isinstance(table, nn.Embedding) and any(word in name.rsplit(".", 1)[-1] for word in ("position_embeddings", "embed_positions", "wpe")):
            offset = getattr(table, "offset", 0) if table.padding_idx is None else table.padding_idx + 1
            limits.append(table.num_embeddings - int(offset))
    return min(limits, default=None)
