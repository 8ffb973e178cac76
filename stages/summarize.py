"""summarize: mean and deviation over the seeds, and the table that they make."""

from erkt.figures.tradeoff import tradeoff_figure
from erkt.files import read_records, write_json
from erkt.literature import read_literature
from erkt.summary import points, summarize, table
from stages import paths
from stages.common import Job, run


def main(job: Job) -> str:
    """Gather the two evaluate stages over all seeds."""
    seeds, names = [int(seed) for seed in job.value("seeds")], list(job.value("teachers"))
    results = [read_records(paths.metrics("evaluate", str(seed))) for seed in seeds]
    teachers = {
        name: [read_records(paths.metrics("evaluate_teacher", f"{seed}-{name}"))[0] for seed in seeds]
        for name in names
    }
    summary = summarize(results, teachers)
    write_json(paths.SUMMARY, summary)
    dataset, percent = job.value("dataset.name"), float(job.value("split.train_percent"))
    tradeoff_figure(paths.TRADEOFF, points(summary), read_literature(paths.LITERATURE, dataset, percent))
    job.run.artifact(paths.SUMMARY)
    return f"{len(seeds)} run(s)\n{table(summary)}"


def remove_stale(job: Job) -> None:
    """Remove the metrics of seeds and teachers that params no longer name."""
    seeds, names = list(job.value("seeds")), list(job.value("teachers"))
    job.keep_only(paths.METRICS / "evaluate", {f"{seed}.json" for seed in seeds})
    cells = {f"{seed}-{name}.json" for seed in seeds for name in names}
    job.keep_only(paths.METRICS / "evaluate_teacher", cells)


if __name__ == "__main__":
    run(main, (), remove_stale)
