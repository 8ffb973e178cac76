"""prepare: decode and resize every image once, into one memory-mappable array."""

from erkt.data.prepare import prepare
from erkt.params.prepare import Prepare
from erkt.pipeline import paths
from erkt.pipeline.job import Job, Stage


def main(job: Job) -> str:
    """Decode the archive; nothing after this stage opens an image file."""
    settings = job.settings("prepare", Prepare)
    facts = prepare(paths.ARCHIVE, paths.PREPARED, settings, job.progress("images"))
    job.note({"counts": facts["counts"], "skipped": facts["skipped"], "ignored": facts["ignored"]})
    skipped = f", {len(facts['skipped'])} undecodable left out" if facts["skipped"] else ""
    labelled = sum(facts["counts"].values())
    more = facts["shape"][0] - labelled
    unlabelled = f" and {more} without a class" if more else ""
    return f"{labelled} images of {len(facts['classes'])} classes{unlabelled} at {settings.side} px{skipped}"


STAGE = Stage(main)
