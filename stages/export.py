"""export: the student in the forms in which it leaves, each compared with the network at once."""

from pathlib import Path

from erkt.deploy import exporting
from erkt.deploy.describe import describe
from erkt.machine.device import choose
from erkt.params.export import Export
from erkt.pipeline import paths
from erkt.pipeline.job import Job, Stage
from erkt.pipeline.shipping import run_files
from erkt.pipeline.tidy import keep_teachers


def main(job: Job) -> str:
    """Calibrate the student on the validation part, and write it with its card."""
    aim = job.settings("export", Export).sure_accuracy
    run = run_files(Path(), job.seed, job.value("dataset.name"), inputs=job.inputs)
    described = describe(run, aim=aim, batch_size=job.runtime.inference_batch, device=choose(job.runtime))
    differences = exporting.to_folder(described, paths.export(job.seed), job.warn)
    forms = ", ".join(f"{name} (logits within {difference:.1e})" for name, difference in differences.items())
    return f"{forms}; {exporting.calibration_line(described.card)}"


STAGE = Stage(main, tidy=keep_teachers)
