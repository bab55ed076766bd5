"""Tiny random models of many architectures, each written to a folder as somebody else's save_pretrained would: what the borders are tested with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

LETTERS = "abcdefghijklmnopqrstuvwxyz"
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
LONGEST = 64  # tokens


class Architecture(NamedTuple):
    """How to make one: its config's type and fields beyond SIZES, what its tokenizer is like, and whether it can be explained."""

    config: str
    fields: Mapping[str, Any] = MappingProxyType({})
    sizes: Mapping[str, Any] = SIZES
    causal: bool = False  # no class token, no padding token
    classifies: bool = True  # has a *ForSequenceClassification
    explains: bool = True  # its encoder, by word vectors
    classifier_explains: bool = True
    refused: str = ""  # why it cannot be loaded at all


T5 = {"d_model": 32, "d_ff": 64, "d_kv": 16, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0, "eos_token_id": 3}
BART = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 64,
        "decoder_ffn_dim": 64, "max_position_embeddings": LONGEST, "eos_token_id": 3, "bos_token_id": 2, "decoder_start_token_id": 3,
        "forced_eos_token_id": 3}  # fmt: skip
POSITIONS = {"max_position_embeddings": LONGEST}
ROBERTA = {"max_position_embeddings": LONGEST + 1, "pad_token_id": 0}  # with padding index 0 the table begins at 1
ARCHITECTURES: dict[str, Architecture] = {
    "bert": Architecture("BertConfig", POSITIONS),
    "roberta": Architecture("RobertaConfig", ROBERTA),
    "xlm-roberta": Architecture("XLMRobertaConfig", ROBERTA),
    "camembert": Architecture("CamembertConfig", ROBERTA),
    "distilbert": Architecture("DistilBertConfig", POSITIONS, {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}),
    "electra": Architecture("ElectraConfig", {**POSITIONS, "embedding_size": 16}),
    "albert": Architecture("AlbertConfig", {**POSITIONS, "embedding_size": 16}),
    "mpnet": Architecture("MPNetConfig", {"max_position_embeddings": LONGEST + 1, "pad_token_id": 0}),
    "deberta-v2": Architecture("DebertaV2Config", {**POSITIONS, "relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_buckets": 16,
                                                   "max_relative_positions": LONGEST, "position_biased_input": False}),
    "modernbert": Architecture("ModernBertConfig", {**POSITIONS, "pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3,
                                                    "global_attn_every_n_layers": 2}),
    "gpt2": Architecture("GPT2Config", {"n_positions": LONGEST, "eos_token_id": 3, "bos_token_id": 3}, {"n_embd": 32, "n_layer": 2, "n_head": 2},
                         causal=True),
    "qwen2": Architecture("Qwen2Config", {**POSITIONS, "num_key_value_heads": 2, "eos_token_id": 3, "bos_token_id": 3}, causal=True),
    "llama": Architecture("LlamaConfig", {**POSITIONS, "num_key_value_heads": 2, "eos_token_id": 3, "bos_token_id": 2}, causal=True),
    "t5": Architecture("T5Config", {"feed_forward_proj": "relu"}, T5, classifier_explains=False),
    "bart": Architecture("BartConfig", {}, BART, classifier_explains=False),
    "fnet": Architecture("FNetConfig", {**POSITIONS, "use_tpu_fourier_optimizations": False}, refused="do not mask padding"),
}  # fmt: skip


def write_tokenizer(folder: Path, words: Sequence[str], *, causal: bool = False) -> int:
    """A fast WordPiece tokenizer of these words; returns the size of its vocabulary."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocab = list(dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *LETTERS, *(f"##{c}" for c in LETTERS), *"0123456789.,:!?'-",
                                *(f"##{c}" for c in "0123456789")]))  # fmt: skip
    made = Tokenizer(models.WordPiece({word: i for i, word in enumerate(vocab)}, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    special = {"unk_token": "[UNK]", "eos_token": "[SEP]"} if causal else {
        "unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}  # fmt: skip
    if not causal:
        made.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=LONGEST, **special).save_pretrained(folder)
    return len(vocab)


def make_model(name: str, vocab: int, *, label_names: Sequence[str] = (), seed: int = 0, **fields: Any):
    """A random model of that architecture: a classifier of `label_names`, or with none of them the bare one."""
    import torch
    import transformers

    entry = ARCHITECTURES[name]
    labels = {"id2label": dict(enumerate(label_names)), "label2id": {name: i for i, name in enumerate(label_names)}} if label_names else {}
    pad = {} if entry.causal else {"pad_token_id": 0}
    config = getattr(transformers, entry.config)(**{"vocab_size": vocab, **entry.sizes, **pad, **entry.fields, **labels, **fields})
    auto: Callable = transformers.AutoModelForSequenceClassification if label_names else transformers.AutoModel
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = auto.from_config(config)
        for parameter_name, parameter in model.named_parameters():  # what is initialised near zero would hide every difference
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.25 if "embed" not in parameter_name else 1.0)
    return model.eval()


def write_model(folder: Path, name: str, words: Sequence[str], *, label_names: Sequence[str] = (), **fields: Any) -> Path:
    """Model and tokenizer of that architecture in one folder."""
    vocab = write_tokenizer(folder, words, causal=ARCHITECTURES[name].causal)
    make_model(name, vocab, label_names=label_names, **fields).save_pretrained(folder)
    return folder
