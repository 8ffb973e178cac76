"""prepare: decode and resize every image once, into one memory-mappable array."""

from erkt.data.prepare import prepare
from erkt.params.prepare import Prepare
from stages import paths
from stages.common import Job, run


def main(job: Job) -> str:
    """Decode the archive; nothing after this stage opens an image file."""
    settings = job.settings("prepare", Prepare)
    facts = prepare(paths.ARCHIVE, paths.PREPARED, settings, job.progress("images"))
    job.note({"counts": facts["counts"], "skipped": facts["skipped"], "ignored": facts["ignored"]})
    skipped = f", {len(facts['skipped'])} undecodable left out" if facts["skipped"] else ""
    return f"{facts['shape'][0]} images of {len(facts['classes'])} classes at {settings.side} px{skipped}"


if __name__ == "__main__":
    run(main)
