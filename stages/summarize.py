"""summarize: mean and deviation over the seeds, and the table that they make."""

from erkt.evaluation.literature import read_literature
from erkt.evaluation.summary import points, summarize, table
from erkt.figures.tradeoff import tradeoff_figure
from erkt.files.json_file import read_records, write_json
from erkt.pipeline import paths
from erkt.pipeline.job import Job, Stage
from erkt.pipeline.tidy import keep_named_metrics


def main(job: Job) -> str:
    """Gather the two evaluate stages over all seeds."""
    seeds, names = [str(seed) for seed in job.value("seeds")], list(job.value("teachers"))

    results = [read_records(paths.metrics("evaluate", seed)) for seed in seeds]
    teachers = {
        name: [read_records(paths.metrics("evaluate_teacher", f"{seed}-{name}"))[0] for seed in seeds]
        for name in names
    }
    summary = summarize(results, teachers)
    write_json(paths.SUMMARY, summary)
    dataset, percent = job.value("dataset.name"), job.value("split.train_percent")
    tradeoff_figure(paths.TRADEOFF, points(summary), read_literature(paths.LITERATURE, dataset, percent))
    job.run.artifact(paths.SUMMARY)
    return f"{len(seeds)} run(s)\n{table(summary)}"


STAGE = Stage(main, tidy=keep_named_metrics)
