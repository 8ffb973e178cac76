"""report: the page to hand on, made from the files of the run alone."""

from erkt.files.replace import write_text
from erkt.params.page import Page
from erkt.pipeline import paths
from erkt.pipeline.job import Job, Stage
from erkt.pipeline.reporting import run_files
from erkt.pipeline.tidy import keep_named_seeds
from erkt.report.facts import read
from erkt.report.lineage import Lineage, taught
from erkt.report.page import run_page


def main(job: Job) -> str:
    """Write the page; commit and machine are no inputs of a stage, and erkt report adds them."""
    distill = job.value("distill")
    params = {
        "seeds": job.value("seeds"),
        "dataset": job.value("dataset"),
        "prepare": job.value("prepare"),
        "split": job.value("split"),
        "base": job.value("base"),
        "vsm": job.value("vsm"),
        "teachers": job.value("teachers"),
        "ensemble": job.value("ensemble"),
        "cache": job.value("cache"),
        "student": job.value("student"),
        "distill": distill,
        "stress": job.value("stress"),
        "report": job.value("report"),
        "export": job.value("export"),
    }
    lineage = Lineage(
        dataset=params["dataset"]["name"],
        params=params,
        taught=taught(distill["loss"], distill["loss_ratio"]),
        inputs=job.inputs,
    )
    facts = read(run_files(params["seeds"], list(params["teachers"])))
    page = run_page(facts, lineage, images=job.settings("page", Page).example_images)
    write_text(paths.REPORT, page)
    return f"{paths.REPORT}, {len(page.encode()) / 1e3:.0f} kB"


STAGE = Stage(main, tidy=keep_named_seeds)
