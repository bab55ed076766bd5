"""TripleEntropy: SoftTriple over tokens, next to cross-entropy."""

from __future__ import annotations

from dmlviz.losses.soft_triple import SoftTriple


class TripleEntropy(SoftTriple):
    """Pull every token towards a centre of its text's class, push it from the other classes' centres; the head does the rest.

    Source: Sosnowski et al. 2021: beta * CE + (1 - beta) * SoftTriple over all token vectors. This class is the second term;
    beta is `ce_weight`, and the head alone predicts. The authors' code lets padding take part (`vectors="all_tokens"`);
    whether the paper masks it is not known, so the table's default leaves it out.
    Relation: the formula is SoftTriple's, without centre merging by default; only vectors and settings differ.
    """
