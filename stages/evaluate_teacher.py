"""evaluate_teacher: one teacher on the test list."""

from erkt import artifacts, logits, metrics, models
from erkt.data.images import open_images
from erkt.data.lists import read_list
from erkt.device import choose
from erkt.evaluation import headline
from erkt.files import sha256_file
from erkt.inference import predict
from stages import paths
from stages.common import Job, run


def main(job: Job) -> str:
    """Keep the teacher's test logits, which the ensemble mixes, and its metrics."""
    name, test_list = job.cell["teacher"], paths.split_list(job.seed, "test")
    teacher = paths.teachers(job.seed) / name
    test = open_images(paths.PREPARED).subset(read_list(test_list))
    model = models.load_folder(teacher, test.classes)
    scores = predict(model, test, job.runtime.inference_batch, choose(job.runtime))
    file = paths.logits("test", job.seed) / f"{name}.safetensors"
    network = sha256_file(teacher / artifacts.WEIGHTS)
    logits.save(file, scores, network, sha256_file(test_list), test.classes)
    report = metrics.report(scores, test.labels, test.classes)
    row = {"network": f"teacher {name}", **headline(report), "parameters": model.parameters_count}
    job.write_records(paths.metrics("evaluate_teacher", job.label), [row])
    return f"OA {report['oa']:.2f} %, AA {report['aa']:.2f} %, kappa {report['kappa']:.2f} %"


if __name__ == "__main__":
    run(main, ["seed", "teacher"])
