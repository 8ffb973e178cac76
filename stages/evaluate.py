"""evaluate: the student on the test list, beside the ensemble mixed from stored logits."""

from erkt import artifacts, evaluation, logits, models, weight_report
from erkt.data.images import open_images
from erkt.data.lists import read_list
from erkt.device import choose
from erkt.ensemble import combine
from erkt.figures.confusion import confusion_figure
from erkt.files import read_json, sha256_file
from erkt.inference import predict
from erkt.tables import write_csv
from stages import paths
from stages.common import Job, run


def main(job: Job) -> str:
    """Write the report, the numbers per class, the confusion matrix, each prediction, and Table 6's sweep."""
    test_list = paths.split_list(job.seed, "test")
    test = open_images(paths.PREPARED).subset(read_list(test_list))
    mixture = read_json(paths.ensemble(job.seed))
    folder, digest = paths.logits("test", job.seed), sha256_file(test_list)
    members = {}
    for name in mixture["weights"]:
        network = read_json(paths.teachers(job.seed) / name / artifacts.MANIFEST)["sha256"]
        members[name] = logits.load(folder / f"{name}.safetensors", network, digest, test.classes)
    teacher = combine(members, mixture["weights"], mixture["space"])
    model = models.load_folder(paths.student(job.seed), test.classes)
    student = predict(model, test, job.runtime.inference_batch, choose(job.runtime))

    result = evaluation.compare(student, teacher, test.labels, test.classes)
    write_csv(
        paths.predictions(job.label),
        evaluation.predictions(test.keys, test.labels, student, teacher, test.classes),
    )
    write_csv(paths.per_class(job.label), evaluation.per_class(result))
    write_csv(paths.test_sweep(job.label), weight_report.sweep(members, test.labels, mixture["space"]))
    rows = evaluation.headlines(result, model.parameters_count, mixture["weights"])
    job.write_records(paths.metrics("evaluate", job.label), rows)
    confusion_figure(paths.confusion(job.label), result["confusion"], test.classes)
    job.run.artifact(paths.confusion(job.label))
    oa = {name: result[name]["oa"] for name in ("student", "ensemble")}
    return f"student OA {oa['student']:.2f} %, ensemble OA {oa['ensemble']:.2f} %, agreement {result['agreement']:.2f} %"


def remove_stale(job: Job) -> None:
    """Remove the logits of teachers that the ensemble no longer has."""
    names = read_json(paths.ensemble(job.seed))["weights"]
    job.keep_only(paths.logits("test", job.seed), {f"{name}.safetensors" for name in names})


if __name__ == "__main__":
    run(main, ["seed"], remove_stale)
