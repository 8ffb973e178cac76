"""evaluate: the student on the test list, beside the ensemble mixed from stored logits."""

from erkt.data.images import open_parts
from erkt.ensemble.candidates import table_6
from erkt.ensemble.mixing import combine
from erkt.evaluation import against_ensemble as evaluation
from erkt.evaluation.predictions import Predictions
from erkt.files.csv_file import write_csv
from erkt.files.json_file import read_json
from erkt.machine.device import choose
from erkt.networks import logits, models
from erkt.networks.inference import predict
from erkt.params.report import Report
from erkt.pipeline import paths
from erkt.pipeline.job import Job, Stage
from erkt.pipeline.tidy import keep_test_logits


def main(job: Job) -> str:
    """Write the report, the numbers per class, each prediction, and Table 6's sweep where asked for."""
    weights, space = read_json(paths.ensemble(job.seed)).values()
    (test,) = open_parts(paths.PREPARED, paths.split_list(job.seed, "test"))
    members = logits.load_teachers(
        paths.all_logits("test", job.seed), paths.teachers(job.seed), list(weights), test
    )
    model = models.load_folder(paths.student(job.seed), test.classes)
    student = predict(model, test, job.runtime.inference_batch, choose(job.runtime))
    ensemble = combine(members, weights, space)

    result = evaluation.compare(student, ensemble, test.labels, test.classes)
    write_csv(paths.predictions(job.seed), Predictions.of(test, student=student, ensemble=ensemble).rows())
    write_csv(paths.per_class(job.seed), evaluation.per_class(result))
    sweep = table_6(members, test.labels, space) if job.settings("report", Report).test_sweep else []
    write_csv(paths.test_sweep(job.seed), sweep, columns=["lead", *weights, "oa", "nll"])
    job.write_records(
        paths.metrics(job.cell.stage, job.cell.label),
        evaluation.headlines(result, model.parameters_count, weights),
    )
    oa = {name: result[name]["oa"] for name in ("student", "ensemble")}
    return (
        f"student OA {oa['student']:.2f} %, ensemble OA {oa['ensemble']:.2f} %, "
        f"agreement {result['agreement']:.2f} %"
    )


STAGE = Stage(main, tidy=keep_test_logits)
