"""Finishing: the last epochs show views with settings of their own.

A student that has seen nothing but mixed and erased scenes meets whole ones for the first time when it is
tested. H. Touvron et al., "Fixing the train-test resolution discrepancy", NeurIPS 2019, end training near the
test's distribution for the same reason; X. He et al., "Data Augmentation Revisited", 2019 (arXiv 1909.09148),
end it on images without strong augmentation.
"""

from dataclasses import dataclass

from erkt.params.views import ViewSettings


@dataclass(frozen=True)
class Finish:
    """The last ``share`` of epochs, in [0, 1], shows views with ``settings``.

    So that every block of ``per_block`` stored views serves on its own, the last views of each block are the
    finishing ones. Shares of a whole number of views or epochs are rounded (Python's ``round``).
    """

    share: float
    settings: ViewSettings
    per_block: int

    def includes(self, view: int) -> bool:
        """Return whether view ``view``, from 0, is a finishing one."""
        return view % self.per_block >= _start(self.per_block, self.share)

    def shown(self, epoch: int, epochs: int, views: int) -> int:
        """Return the number of the view that ``epoch`` of ``epochs`` shows, both from 0, of ``views`` in all.

        Each kind of views is repeated in its order for as long as its epochs last.
        """
        start = _start(epochs, self.share)
        last = epoch >= start
        kind = [view for view in range(views) if self.includes(view) == last]
        return kind[(epoch - start if last else epoch) % len(kind)]


def _start(count: int, share: float) -> int:
    return count - round(share * count)
