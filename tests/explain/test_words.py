"""From tokens back to words, for the three kinds of tokenizers: characters are those of the text, sums are kept."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from dmlviz.explain.words import _joined, by_word, tokenize, word_spans

TEXTS = {
    "plain": "the cat saw a small dog",
    "apostrophe": "I don't think it’s theirs",
    "hyphens": "a well-known state-of-the-art e-mail",
    "numbers": "version 3.14 cost 1,000 in 2024_05",
    "emoji": "so good 👩‍👩‍👧‍👦 and 👍🏽!",
    "arabic": "مرحبا بالعالم",
    "chinese": "我喜欢猫 very much",
    "html": "<script>alert('x')</script> &amp; <b>bold</b>",
    "latex": r"$\frac{1}{2}$ \textbf{x}_i & 5% #1",
    "blanks": "\ta\n\n b\r\n  c\u00a0d ",
    "accents": "cafe\u0301 naïve Zürich",
    "points": "wait... what?! no...",
}
ROBERTA = {"unk_token": "<unk>", "pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "mask_token": "<mask>"}
CORPUS = [*TEXTS.values(), "the dog and the cat saw bread", "wait... wait... no..."] * 4


def wordpiece() -> PreTrainedTokenizerFast:
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    made.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=260, special_tokens=special))
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    return PreTrainedTokenizerFast(tokenizer_object=made, **names)


def byte_level() -> PreTrainedTokenizerFast:
    """Like RoBERTa's: bytes, blanks at the front of a token and not part of its characters."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet))
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    return PreTrainedTokenizerFast(tokenizer_object=made, **ROBERTA)


def unigram() -> PreTrainedTokenizerFast:
    """Like XLM-R's: SentencePiece with its mark for blanks, whose pieces may hold the blank before a word."""
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    made.train_from_iterator(CORPUS, trainers.UnigramTrainer(vocab_size=300, special_tokens=special, unk_token="<unk>"))
    made.decoder = decoders.Metaspace()
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=made, **ROBERTA)


@pytest.fixture(scope="module", params=[wordpiece, byte_level, unigram], ids=lambda one: one.__name__)
def tokenizer(request):
    return request.param()


def words_of(text: str) -> list[str]:
    return [text[low:high] for low, high in word_spans(text)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I don't think it’s theirs", ["I", "don't", "think", "it’s", "theirs"]),
        ("a well-known e-mail.", ["a", "well-known", "e-mail", "."]),
        ("so 👩‍👩‍👧‍👦, 👍🏽!", ["so", "👩‍👩‍👧‍👦", ",", "👍🏽", "!"]),
        ("مرحبا بالعالم", ["مرحبا", "بالعالم"]),
        ("我喜欢cats", ["我", "喜", "欢", "cats"]),
        ("<b>x</b>", ["<", "b", ">", "x", "<", "/", "b", ">"]),
        (r"$\frac{1}{2}$", ["$", "\\", "frac", "{", "1", "}", "{", "2", "}", "$"]),
        ("\ta\n b\u00a0c ", ["a", "b", "c"]),
        ("cafe\u0301 naïve", ["cafe\u0301", "naïve"]),
        ("3.14 snake_case no...", ["3.14", "snake_case", "no", ".", ".", "."]),
        ("हिन्दी ภาษา", ["हिन्दी", "ภ", "า", "ษ", "า"]),
        ("", []),
        (" \n\t ", []),
    ],
)
def test_words_are_what_a_reader_calls_words(text, words):
    assert words_of(text) == words


@pytest.mark.parametrize("name", TEXTS)
def test_every_word_is_a_stretch_of_the_text_and_has_its_tokens(tokenizer, name):
    text = TEXTS[name]
    cut = tokenize(tokenizer, text, max_length=512)
    spans = list(zip(cut.starts.tolist(), cut.ends.tolist(), strict=True))
    assert all(low < high for low, high in spans)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))  # in order, none over another
    assert set(cut.word[cut.word >= 0]) == set(range(len(spans)))  # no word without a token
    assert not (cut.word[cut.special] >= 0).any()
    covered = "".join(text[low:high] for low, high in spans)
    assert "".join(covered.split()) == "".join(text.split())  # nothing that can be seen is outside of words
    starts, ends = zip(*word_spans(text), strict=True)
    assert set(cut.starts.tolist()) <= set(starts)  # words are never split, only joined
    assert set(cut.ends.tolist()) <= set(ends)
    assert cut.cut == 0
    assert not cut.second.any()


@pytest.mark.parametrize("name", TEXTS)
def test_the_characters_of_a_word_are_those_of_its_tokens(tokenizer, name):
    """Read from the tokenizer itself, token by token."""
    text = TEXTS[name]
    cut = tokenize(tokenizer, text, max_length=512)
    offsets = tokenizer(text, return_offsets_mapping=True)["offset_mapping"]
    for token, (low, high) in enumerate(offsets):
        visible = [at for at in range(low, high) if not text[at].isspace()]
        if cut.special[token] or not visible:
            continue
        word = cut.word[token]
        assert cut.starts[word] <= visible[0]
        assert visible[-1] < cut.ends[word]


@pytest.mark.parametrize("name", TEXTS)
def test_sums_over_words_keep_the_total(tokenizer, name):
    cut = tokenize(tokenizer, TEXTS[name], max_length=512)
    values = np.random.default_rng(0).normal(size=len(cut.ids))
    words = by_word(values, cut)
    assert words.sum() == pytest.approx(values[cut.word >= 0].sum())
    for word in range(len(words)):  # by the definition
        assert words[word] == pytest.approx(sum(value for value, at in zip(values, cut.word, strict=True) if at == word))
    wide = by_word(np.stack([values, -values], axis=1), cut)
    np.testing.assert_allclose(wide, np.stack([words, -words], axis=1))


def test_a_token_over_several_words_joins_them():
    made = Tokenizer(models.WordLevel({"<unk>": 0, "<pad>": 1, "▁wait": 2, "▁no": 3, "...": 4}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), pre_tokenizers.Split("...", "isolated")])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>", pad_token="<pad>")
    text = "wait... no..."
    cut = tokenize(tokenizer, text, max_length=20)
    assert [text[low:high] for low, high in zip(cut.starts, cut.ends, strict=True)] == ["wait", "...", "no", "..."]
    assert words_of(text) == ["wait", ".", ".", ".", "no", ".", ".", "."]
    assert cut.word.tolist() == [0, 1, 2, 3]


def test_chains_of_shared_tokens_become_one_word():
    """Tokens over words 1-2 and 2-3 leave one word of three; the next word stays alone."""
    spans, owner = _joined([(0, 2), (3, 6), (7, 9), (10, 12)], np.array([(0, 4), (4, 9), (10, 12), (12, 12)]))
    assert spans == [(0, 9), (10, 12)]
    assert owner.tolist() == [0, 0, 1, -1]


def test_a_pair_keeps_each_side_apart(tokenizer):
    first, second = "the cat saw", "a dog, and bread"
    cut = tokenize(tokenizer, first, second, max_length=64)
    said = [(second if right else first)[low:high] for low, high, right in zip(cut.starts, cut.ends, cut.second, strict=True)]
    assert said == ["the", "cat", "saw", "a", "dog", ",", "and", "bread"]
    assert cut.second.tolist() == [False] * 3 + [True] * 5
    assert cut.special.sum() == tokenizer.num_special_tokens_to_add(pair=True)
    assert np.diff(cut.word[cut.word >= 0]).min() >= 0


def test_bert_tells_the_second_text_by_type(tiny):
    cut = tokenize(tiny.tokenizer, "cat", "dog", max_length=64)
    assert cut.types[cut.word == 0].tolist() == [0] * int((cut.word == 0).sum())
    assert set(cut.types[cut.word == 1].tolist()) == {1}


def test_what_is_cut_is_counted(tokenizer):
    text = " ".join(["cat"] * 10_000)
    cut = tokenize(tokenizer, text, max_length=32)
    assert len(cut.ids) == 32
    assert cut.cut == 3 * 10_000 - 3 * len(cut.starts)  # the tokens left are of whole words
    assert text[cut.starts[-1] : cut.ends[-1]] == "cat"


def test_both_texts_of_a_pair_are_counted_when_cut(tokenizer):
    cut = tokenize(tokenizer, " ".join(["cat"] * 100), " ".join(["dog"] * 100), max_length=32)
    assert cut.cut == 600 - 3 * len(cut.starts)
    assert 0 < cut.second.sum() < len(cut.second)


def test_unknown_symbols_are_counted_and_belong_to_words():
    cut = tokenize(wordpiece(), "cat ⿕ ☃", max_length=32)
    assert cut.unknown.sum() == 2
    assert len(cut.starts) == 3
    assert not cut.unknown[cut.special].any()


@pytest.mark.parametrize("text", ["", " \n\t "])
def test_a_text_without_a_word_has_none(tokenizer, text):
    cut = tokenize(tokenizer, text, max_length=32)
    assert len(cut.starts) == 0
    assert (cut.word < 0).all()
    assert by_word(np.ones(len(cut.ids)), cut).shape == (0,)
    assert cut.cut == 0


def test_words_taken_out_leave_the_numbers_of_the_others(tiny):
    cut = tokenize(tiny.tokenizer, "the cat saw a dog", max_length=32)
    less = cut.without(cut.word == 1)
    assert set(less.word[less.word >= 0]) == {0, 2, 3, 4}
    assert len(less.ids) == len(less.types) == len(less.special) == (cut.word != 1).sum()
    masked = cut.replaced(np.where(cut.word == 1, 4, cut.ids))
    assert (masked.ids == 4).sum() == (cut.word == 1).sum()
    assert (cut.ids == 4).sum() == 0
