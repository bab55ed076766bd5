"""The words of the tiny texts: each class has its own, and fillers belong to none."""

from __future__ import annotations

CLASS_WORDS = {
    "animals": ["cat", "dog", "horse", "bird", "fish", "sheep", "goat", "duck"],
    "food": ["bread", "cheese", "soup", "apple", "rice", "cake", "salad", "pasta"],
    "weather": ["rain", "snow", "wind", "storm", "sun", "cloud", "fog", "frost"],
}
FILLERS = "the a one some this that small big old new good was is near with and very we saw had".split()  # noqa: SIM905

WORDS = [*FILLERS, *(word for own in CLASS_WORDS.values() for word in own)]
