"""Write a contact sheet of the embedded scenes as a picture."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from erkt.cli.contact_sheet import contact_sheet
from erkt.errors import ErktError
from erkt.files.replace import replace_whole


def arguments(parser: ArgumentParser) -> None:
    """Add the picture's path and what it shows."""
    parser.add_argument("picture", type=Path, help="the PNG file to write")
    parser.add_argument("--columns", type=int, default=8, help="scenes a class (default: 8)")
    parser.add_argument("--side", type=int, default=96, help="pixels a scene (default: 96)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the scenes (default: 0)")


def run(options: Namespace) -> int:
    """Render and write the sheet."""
    if options.picture.suffix.lower() != ".png":
        raise ErktError(f"{options.picture}: the picture is a PNG, name it so")
    for name in ("columns", "side", "seed"):
        least = 0 if name == "seed" else 1
        if getattr(options, name) < least:
            raise ErktError(f"--{name} {getattr(options, name)}: expected {least} or more")
    with replace_whole(options.picture) as temporary:
        contact_sheet(options.columns, options.side, options.seed).save(temporary, optimize=True)
    print(options.picture)
    return 0
