"""What ``erkt predict`` and ``erkt embed`` share: images of any origin, through a model, into a table."""

import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import get_args

from erkt.deploy import elsewhere
from erkt.deploy.decoding import Decoded, cores, decoded
from erkt.deploy.inputs import Inputs, Source
from erkt.deploy.opening import file_of
from erkt.deploy.pixels import Decoder
from erkt.deploy.predictor import Predictor, load
from erkt.deploy.rows import Rows
from erkt.deploy.shards import Shards
from erkt.errors import ErktError
from erkt.files.digests import sha256_file
from erkt.machine.progress import Progress

SOME_UNREADABLE = 3
"""The exit status where all is done, and some images could not be read; 1 and 2 are errors of the whole."""

PLACES = (
    "an image, a folder, a zip or tar, a pattern in quotes, a .csv with a column 'path', a .txt with a path "
    "a line, or - for paths on standard input"
)


def arguments(parser: ArgumentParser) -> None:
    """Add the model, the images, and how fast."""
    parser.add_argument("model", type=Path, help="an exported file or folder, or a student's folder of a run")
    parser.add_argument("places", nargs="+", metavar="PATH", help=PLACES)
    parser.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
    parser.add_argument(
        "--threads",
        type=int,
        help="for decoding and for the network; default: one a core, with --engine ray one a worker",
    )
    parser.add_argument(
        "--decoder",
        choices=get_args(Decoder),
        default="exact",
        help="reduced: large JPEG files faster, with pixels unlike those of training; default: exact",
    )
    parser.add_argument(
        "--engine", choices=["here", "ray"], default="here", help="ray: in several processes, on any machines"
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--workers", type=int, help="with ray: processes on this machine; default: one a core")
    place.add_argument("--address", help="with ray: HOST:PORT of a cluster; default: RAY_ADDRESS, if set")


def opened(options: Namespace) -> tuple[Predictor, Inputs]:
    """Return the model and the images; ErktError if either is not there."""
    if options.threads is None:
        options.threads = cores() if options.engine == "here" else 1
    for name, value in (("threads", options.threads), ("workers", options.workers)):
        if value is not None and value < 1:
            raise ErktError(f"--{name} {value}: expected 1 or more")
    if options.engine == "here" and (options.workers or options.address):
        raise ErktError("--workers and --address are for --engine ray")
    if options.engine == "ray":
        elsewhere.check(options.places, options.out)
    inputs = Inputs(options.places, sys.stdin)
    return load(options.model, options.threads), inputs


def fill(
    options: Namespace, inputs: Inputs, predictor: Predictor, rows: Rows, *, label: elsewhere.Command
) -> int:
    """Write a row for each image to ``options.out``, and say how it went; return the exit status.

    Raises ErktError if there is no image at all, and as ``Shards`` does.
    """
    model = sha256_file(file_of(options.model))
    made_by = {
        "command": label,
        "model": model,
        "card": predictor.card.to_json(),  # a folder has it beside the weights
        "versions": list(elsewhere.versions()),
        "folder": str(Path.cwd()),
        "places": options.places,
        "columns": [str(column) for column in rows.schema],
        "decoder": options.decoder,
    }
    shards = Shards(options.out, made_by, replace=options.overwrite)
    started = time.perf_counter()
    total, kept = inputs.count(), shards.rows_kept
    kept = kept if total is None else min(kept, total)
    with closing(Progress(total, label=label, unit="images", done=kept)) as progress:
        try:
            if options.engine == "here":
                decode = _decode(predictor, options)
                written = shards.fill(_some(inputs), rows, decode, progress.update)
            else:
                work = elsewhere.Work(
                    model=options.model.resolve(),
                    digest=model,
                    threads=options.threads,
                    command=label,
                    top=getattr(options, "top", None),
                    decoder=options.decoder,
                    folder=Path.cwd(),
                    versions=elsewhere.versions(),
                )
                with elsewhere.maker(work, options.address, options.workers or cores()) as make:
                    written = shards.fill_elsewhere(_some(inputs), rows.schema, make, progress.update)
        except KeyboardInterrupt:
            progress.close()
            kept_in = f"what is done is kept in {shards.folder}"
            print(f"{label}: {kept_in}; the same command goes on", file=sys.stderr)
            raise
        finally:
            shards.leave()
    seconds = time.perf_counter() - started
    unreadable = f", {written.errors} of them unreadable (see column error)" if written.errors else ""
    rate = max(0, written.rows - kept) / seconds
    print(f"{options.out}: {written.rows} images{unreadable}; {rate:.0f} images a second")
    return SOME_UNREADABLE if written.errors else 0


def images(inputs: Inputs, predictor: Predictor, options: Namespace) -> Iterator[Decoded]:
    """Yield every image with its pixels, or why it has none; ErktError if there is none at all."""
    return _decode(predictor, options)(_some(inputs))


def _decode(predictor: Predictor, options: Namespace) -> Callable[[Iterable[Source]], Iterator[Decoded]]:
    def decode(sources: Iterable[Source]) -> Iterator[Decoded]:
        return decoded(sources, predictor.card.preparation, options.threads, options.decoder)

    return decode


def _some(sources: Iterable[Source]) -> Iterator[Source]:
    empty = True
    for source in sources:
        empty = False
        yield source
    if empty:
        raise ErktError("no image there; in folders, archives and patterns files count that end as images do")
