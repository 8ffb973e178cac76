"""Whether every network of a protocol can be made and trained, asked before anything runs.

Stages find that out one by one, hours apart.
"""

from collections.abc import Iterator

from erkt.errors import ErktError
from erkt.params.protocol import Protocol
from erkt.pipeline.images_known import images_known

_ANY = 7
"""Classes to ask with where they are not known yet; no network has an axis of that length by itself."""


def unfit(protocol: Protocol) -> Iterator[tuple[str, str]]:
    """Yield place in params and reason of each network that does not take what ``protocol`` gives it.

    Each is made with its options and rates for the classes at hand, and run at every side that its images
    will have. Takes seconds.
    """
    from erkt.networks import rehearsal  # torch and timm, which take long to import
    from erkt.networks.creation import check

    counted, side = images_known(protocol), protocol.prepare.side
    classes = counted.classes if counted else _ANY
    networks = {f"teachers.{name}.network": one.network for name, one in protocol.teachers.items()}
    heads = {f"teachers.{name}.network" for name, one in protocol.teachers.items() if one.train == "head"}
    for place, network in {**networks, "student": protocol.student}.items():
        try:
            check(network, side, classes)
            seen = network.side or side
            growing = [] if place != "student" else student_sides(protocol)
            for refused, reason in rehearsal.refused_sides(network, [seen, *growing], classes):
                if refused == seen:
                    where = f"{network.arch}: cannot train at {seen} pixels"
                    raise ErktError(f"{where}: {reason}; choose another arch")
                first = protocol.distill.resizing.first_side
                yield (
                    "distill.resizing.first_side",
                    (
                        f"{network.arch} cannot train at {refused} pixels, on the way from {first} to "
                        f"{side}: {reason}; raise first_side, or set first_side: null and full_after: 0.0"
                    ),
                )
                break
            if place in heads:
                rehearsal.check_head(network, side, classes)
        except ErktError as error:
            yield place, str(error)


def student_sides(protocol: Protocol) -> list[int]:
    """Return the sides in pixels below the full one at which the student trains, ascending."""
    from erkt.training.resizing import side_at

    resizing, side = protocol.distill.resizing, protocol.prepare.side
    # In steps of 8 pixels: as many points as there are pixels meet each of them.
    epochs = max(protocol.distill.recipe.epochs, side)
    return sorted({side_at(resizing, side, epoch / epochs) for epoch in range(epochs)} - {side})
