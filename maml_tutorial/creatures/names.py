"""Names that can be said and mean nothing."""

from collections.abc import Iterator, Sequence

import numpy as np

STARTS, VOWELS, ENDS = "bdfklmnprtvwyz", "aiou", "lmnprb"
MIDDLES = "l m n r v w b d lk lm mb mp nd nk rl rv".split()
# Left out, as they are words.
WORDS = frozenset(
    """
    ban bap bum bib bim bom bon bonki bun bur dam dib dim dip dol dom don dori dub dudu fir kap
    karla kim kinda kum kun kunku lab lam lap lara lil lip lola lop lor mab mani map mari midi
    moda mon mona mul mum nab nap nib nil nip nub nudi nul num nun pab pal pam pan par pil pin
    pip pom pop por pup ram rap rib rim rini rip rob robi rub rum run tab tam tan tap tar tin
    tip tom toma top tor tub val van var vim viro von vul wal wanda wanki war win wip wok wop
    yam yap yip yol yom yoni yum zap zip
    """.split()
)


def names(seed: int) -> Iterator[str]:
    """Give names of one or two syllables, each once, for ever.

    Example:
        >>> from itertools import islice
        >>> len(set(islice(names(0), 100)))
        100
    """
    rng = np.random.default_rng(seed)

    def one(of: Sequence[str]) -> str:
        return of[int(rng.random() * len(of))]

    given = set(WORDS)
    while True:
        name = one(STARTS) + one(VOWELS)
        if rng.random() < 0.9:
            name += one(MIDDLES) + one(VOWELS)
        if len(name) == 2 or rng.random() < 0.3:
            name += one(ENDS)
        if name not in given:
            given.add(name)
            yield name
