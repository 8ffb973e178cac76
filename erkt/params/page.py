"""What the page of a run shows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """``example_images`` puts some of the dataset's images on the page, and where networks look in them.

    A page is made to be handed on, and images may be licensed. It is a section of its own, apart from
    ``report``, so that nothing is evaluated again for it.
    """

    example_images: bool
