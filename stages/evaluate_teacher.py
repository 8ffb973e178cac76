"""evaluate_teacher: one teacher on the test list."""

from erkt.data.images import open_parts
from erkt.evaluation import metrics
from erkt.files.artifacts import WEIGHTS
from erkt.files.digests import sha256_file
from erkt.machine.device import choose
from erkt.networks import logits, models
from erkt.networks.inference import predict
from erkt.pipeline import paths
from erkt.pipeline.job import Job, Stage


def main(job: Job) -> str:
    """Keep the teacher's test logits, which the ensemble mixes, and its metrics."""
    folder = paths.teacher(job.seed, job.teacher)
    (test,) = open_parts(paths.PREPARED, paths.split_list(job.seed, "test"))
    model = models.load_folder(folder, test.classes)
    scores = predict(model, test, job.runtime.inference_batch, choose(job.runtime))
    network = sha256_file(folder / WEIGHTS)
    logits.save(paths.logits("test", job.seed, job.teacher), scores, network=network, part=test)
    report = metrics.report(scores, test.labels, test.classes)
    row = {
        "network": f"teacher {job.teacher}",
        **metrics.headline(report),
        "parameters": model.parameters_count,
    }
    job.write_records(paths.metrics(job.cell.stage, job.cell.label), [row])
    return f"OA {report['oa']:.2f} %, AA {report['aa']:.2f} %, kappa {report['kappa']:.2f} %"


STAGE = Stage(main)
