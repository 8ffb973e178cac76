"""The page of a run against the files that it is made from."""

import csv
import hashlib
import json
import re
import shutil
import statistics
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from closure import ROOT
from made_page import LINEAGE, Read, evaluated, made_run, names

from erkt.errors import ErktError
from erkt.files.csv_file import write_csv
from erkt.report.classes import Matrix, Mistake, Mistaken, commonest
from erkt.report.facts import RunFiles, read
from erkt.report.lineage import Speed, shareable
from erkt.report.page import run_page

LARGEST = 2_000_000
EVIL = ('"><img src=x onerror=alert(1)>', "<script>alert(1)<", "{{ 7 * 7 }}", "海岸 & co", "a'b")


def page(files: RunFiles, *, images: bool = True, **more: object) -> Read:
    return Read(run_page(read(files), replace(LINEAGE, **more), images=images))


def predictions(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def number(text: str) -> float:
    return float(text.replace("\u2212", "-"))


def test_accuracies_of_one_seed_are_those_of_its_files(tmp_path: Path) -> None:
    files = made_run(tmp_path, names(5))
    found = page(files)
    rows = evaluated(files.seeds[0].evaluate)
    for name, cell in (("student", "student"), ("ensemble", "ensembleof 2\u00a0teachers")):
        cells = found.row("accuracy", cell)
        assert cells[2] == f"{rows[name]['oa']:.2f}"
        assert cells[-2:] == ["61.50", "57.25"]
    teacher = found.row("accuracy", "one, weight 0.50")
    assert (teacher[1], teacher[2]) == ("0.40", f"{rows['ensemble']['oa']:.2f}")
    assert found.row("accuracy", "student")[1] == "0.25"
    gap = rows["student"]["oa"] - rows["ensemble"]["oa"]
    minus = re.search(r"Student minus ensemble: (\S+) points", found.words["accuracy"])
    assert minus
    assert number(minus[1]) == pytest.approx(gap, abs=0.005)
    assert f"{rows['student']['oa']:.1f}\u00a0%" in found.words["verdict"]
    assert "This is one run" in found.words["verdict"]


def test_recall_confusions_and_examples_are_those_of_the_predictions(tmp_path: Path) -> None:
    files = made_run(tmp_path, names(5), tested=12, right=0.5)
    found, rows = page(files), predictions(files.seeds[0].predictions)
    support = Counter(row["actual"] for row in rows)
    hits = Counter(row["actual"] for row in rows if row["actual"] == row["student"])
    said = Counter(row["student"] for row in rows)
    table = [row for row in found.rows["classes"] if row[0] in support]
    assert [float(row[2]) for row in table] == sorted(float(row[2]) for row in table)
    for name, _, recall, _, precision, images in table:
        assert recall == f"{100 * hits[name] / support[name]:.1f}"
        assert precision == (f"{100 * hits[name] / said[name]:.1f}" if said[name] else "\u2013")
        assert int(images) == support[name]
    wrong = Counter((row["actual"], row["student"]) for row in rows if row["actual"] != row["student"])
    titles = re.findall(r"<title>(\w+) taken for (\w+): (\d+)</title>", found.html)
    taken = {(true, other): int(count) for true, other, count in titles if true != other}
    assert {pair: count for pair, count in taken.items() if count} == wrong
    most = {
        f"{true} taken for {other}" for (true, other), count in wrong.items() if count == max(wrong.values())
    }
    said = re.search(r"commonest mistake: (\w+ taken for \w+)", found.words["verdict"])
    assert said
    assert said[1] in most
    hardest = table[0][0]
    shown = re.findall(rf'alt="{hardest}/(\d+)\.png"', found.html)
    mistakes = [row for row in rows if row["actual"] == hardest != row["student"]]
    surest = sorted(mistakes, key=lambda row: -float(row["student_confidence"]))[:4]
    assert [f"{hardest}/{place}.png" for place in shown] == [row["key"] for row in surest]


def test_the_commonest_mistake_need_not_be_one_of_a_hard_class() -> None:
    """Seven classes of scattered mistakes, and one that is better, whose mistakes are all of a kind."""
    counts = np.full((8, 8), 5) + np.diag([55] * 8)
    counts[7] = [29, 0, 0, 0, 0, 0, 0, 71]
    found = commonest(SimpleNamespace(classes=names(8)), [counts])
    assert found == Mistake("class_007", Mistaken("class_000", 29, 29.0))
    assert commonest(SimpleNamespace(classes=names(8)), [np.diag([3] * 8)]) is None


def test_the_matrix_is_as_dark_as_the_share_of_the_true_class() -> None:
    counts = np.array([[990, 10], [5, 1]])
    cells = Matrix(names(2), names(2), counts, counts.sum(axis=1), whole=True).cells()
    shades = {(cell.row, cell.column): cell.shade for cell in cells}
    assert shades[1, 0] == 1.0
    assert shades[0, 1] == pytest.approx(0.2 + 0.8 * 0.01 / (5 / 6), abs=0.005)


@pytest.mark.parametrize(
    ("confidence", "said"), [(0.99, "too sure"), (0.5, "too modest"), (0.8, "about as sure as it should be")]
)
def test_how_sure_it_is_says_no_more_than_chance_allows(tmp_path: Path, confidence: float, said: str) -> None:
    files = made_run(tmp_path, names(5), tested=20, right=0.75)
    path = files.seeds[0].predictions
    rows = predictions(path)
    write_csv(path, [row | {"student_confidence": confidence} for row in rows])
    assert f"it is {said}, before calibration" in page(files).words["calibration"]


def test_the_same_images_in_three_runs_do_not_make_a_small_difference_sure(tmp_path: Path) -> None:
    files = made_run(tmp_path, names(5), seeds=3, tested=20, right=0.75)
    rows = [row | {"student_confidence": 0.82} for row in predictions(files.seeds[0].predictions)]
    for seed in files.seeds.values():  # 0.07 is 1.6 standard errors of 100 images, and 2.8 of 300
        write_csv(seed.predictions, rows)
    assert "it is about as sure as it should be" in page(files).words["calibration"]


def test_three_seeds_have_means_deviations_and_a_verdict(tmp_path: Path) -> None:
    files = made_run(tmp_path, names(4), seeds=3, tested=20)
    found = page(files)
    oa = [evaluated(seed.evaluate)["student"]["oa"] for seed in files.seeds.values()]
    cells = found.row("accuracy", "student")
    assert cells[2:4] == [f"{statistics.mean(oa):.2f}", f"{statistics.stdev(oa):.2f}"]
    assert f"deviate by {statistics.stdev(oa):.2f} points" in found.words["verdict"]
    assert "it is not known whether" not in found.html
    assert "3\u00a0runs (seeds 0, 1, 2)" in found.html
    recall = [
        statistics.mean(row["student"] == "class_000" for row in rows if row["actual"] == "class_000")
        for rows in map(predictions, (seed.predictions for seed in files.seeds.values()))
    ]
    cells = found.row("classes", "class_000")
    assert (cells[2], cells[-1]) == (f"{100 * statistics.mean(recall):.1f}", "60")


def test_the_rest_is_that_of_card_and_stress(tmp_path: Path) -> None:
    found = page(made_run(tmp_path, names(3)))
    fitted = found.words["calibration"]
    for said in (
        "by 0.750",
        "is 4.2\u00a0%, and 9.5\u00a0% without",
        "chosen on the same images",
        "87.5\u00a0% or more",
        "62.5\u00a0%",
        "95.5\u00a0%",
    ):
        assert said in fitted
    assert "Blur costs the student most" in found.words["robustness"]
    said = "50.0\u00a0% are right on average, where 77.0\u00a0% are on the same 6\u00a0images"
    assert said in found.words["robustness"]
    assert said.replace("Blur", "blur") in found.words["verdict"]
    assert found.row("data", "training")[1] == "6\u00a0images"
    assert found.row("data", "test")[1] == "18\u00a0images"
    assert found.row("data", "pixels, sha256")[1] == "12" * 32
    assert found.row("lineage", "training list, seed 0")[1] == "34" * 32
    assert found.row("lineage", "inputs, sha256")[1].startswith("ab" * 32)
    assert "1.2\u00a0MB" in found.words["cost"]


def test_what_is_known_of_the_repository_and_of_speed_is_shown(tmp_path: Path) -> None:
    more = {"commit": "c0ffee-dirty", "lock": "de" * 32, "machines": ("a machine",), "stale": "Too old."}
    known = replace(LINEAGE, **more, packages={"torch": "9.9"}, seconds={"distill": 4000.0})
    speed = Speed(student=1.25, ensemble=3.5, ratio=2.8, device="the CPU", side=16, batch=4)
    found = Read(run_page(read(made_run(tmp_path, names(2))), known, images=False, speed=speed))
    assert found.row("lineage", "commit")[1] == "c0ffee-dirty"
    assert found.row("lineage", "dvc.lock, sha256")[1] == "de" * 32
    assert found.row("lineage", "machine")[1] == "a machine"
    assert found.row("lineage", "packages")[1] == "torch 9.9"
    assert "git checkout c0ffee\n" in found.words["again"]
    assert "Files differed from that commit" in found.words["again"]
    assert "distill 1\u00a0h\u00a07\u00a0min" in found.words["cost"]
    assert (found.row("cost", "student")[3], found.row("cost", "ensemble")[3]) == ("1.25", "3.50")
    assert "Too old." in found.html


def test_names_are_text_wherever_they_stand(tmp_path: Path) -> None:
    classes = tuple(sorted(EVIL))
    known = replace(
        LINEAGE, dataset="<b>data</b>", commit="<i>", params=LINEAGE.params | {"a": "</pre><script>1"}
    )
    found = Read(run_page(read(made_run(tmp_path, classes, right=0.3)), known, images=True))
    assert not {tag for tag, _ in found.tags} & {"script", "iframe", "object"}
    assert not [
        attributes for _, attributes in found.tags if any(name.startswith("on") for name in attributes)
    ]
    assert {attributes["src"][:23] for tag, attributes in found.tags if tag == "img"} == {
        "data:image/jpeg;base64,"
    }
    assert {row[0] for row in found.rows["classes"][1:]} == set(classes)
    assert "<b>data</b>" in found.words[""]
    assert "</pre><script>1" in found.words["lineage"]
    assert "49" not in {row[0] for row in found.rows["classes"]}


@pytest.mark.parametrize("count", [2, 300])
def test_few_and_many_classes_are_all_there(tmp_path: Path, count: int) -> None:
    found = page(made_run(tmp_path, names(count), tested=3))
    assert {row[0] for row in found.rows["classes"]} >= set(names(count))
    assert len(found.html.encode()) < LARGEST


def test_forty_five_classes_of_large_images_stay_small(tmp_path: Path) -> None:
    """Noise is what compresses worst."""
    files = made_run(tmp_path, names(45), seeds=3, tested=2, side=160, right=0.3)
    assert len(page(files).html.encode()) < LARGEST


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    files = made_run(tmp_path, names(6), seeds=2)
    assert page(files).html == page(files).html


def test_nothing_of_the_images_is_shown_where_that_is_asked_for(tmp_path: Path) -> None:
    found = page(made_run(tmp_path, names(3), right=0.5), images=False)
    assert not [tag for tag, _ in found.tags if tag == "img"]
    assert "data:image" not in found.html
    assert "page.example_images: false" in found.words["confusion"]
    assert "page.example_images: false" in found.words["looks"]


def test_a_part_that_is_missing_is_said_to_be(tmp_path: Path) -> None:
    files = made_run(tmp_path, names(3), right=0.5)
    whole = page(files)
    seed = files.seeds[0]
    shutil.rmtree(files.prepared)
    shutil.rmtree(seed.export)
    seed.robustness.unlink()
    seed.heat.unlink()
    found = page(files)
    assert found.rows["accuracy"] == whole.rows["accuracy"]
    assert found.rows["classes"] == whole.rows["classes"]
    assert "the stage stress makes it" in found.words["robustness"]
    assert "the stage draw makes it" in found.words["looks"]
    assert "Nothing was exported" in found.words["calibration"]
    assert "not looked for" in found.row("data", "duplicates")[1]
    assert found.row("data", "training")[1] == "not known from the files at hand"


def test_a_perfect_student_has_no_mistakes(tmp_path: Path) -> None:
    found = page(made_run(tmp_path, names(3), right=1.1))
    assert "No test image was classified wrongly" in found.words["confusion"]
    assert "100.0\u00a0%" in found.words["verdict"]


@pytest.mark.parametrize("name", ["evaluate", "predictions"])
def test_what_has_to_be_there_is_asked_for_in_a_line(tmp_path: Path, name: str) -> None:
    files = made_run(tmp_path, names(3))
    getattr(files.seeds[0], name).unlink()
    with pytest.raises(ErktError, match=f"{name}/0"):
        page(files)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("evaluate", '[{"network": "student"}]', "no figures of the ensemble"),
        ("robustness", "kind,strength\nnone,x\n", "not readable as accuracies"),
        ("robustness", "", "not readable as accuracies"),
        ("heat", "no picture", "not readable as a picture"),
    ],
)
def test_what_is_damaged_is_named_in_a_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    files = made_run(tmp_path, names(3))
    path: Path = getattr(files.seeds[0], name)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ErktError, match=f"{re.escape(str(path))}: .*{message}"):
        page(files)


def test_twins_across_the_split_are_counted(tmp_path: Path) -> None:
    """Images 0 to 5 of a class are tested, 6 and 7 train."""
    files = made_run(tmp_path, names(3))
    path = files.prepared / "images.npy"
    pixels = np.load(path)
    pixels[6] = pixels[0]  # a test image and one that trains
    pixels[2] = pixels[1]  # two test images
    pixels[8] = pixels[3]  # two test images of different classes
    _replace(files, pixels)
    found = page(files)
    said = " ".join(found.row("data", "duplicates")[1].split())
    assert "3 images repeat the pixels of another" in said
    assert "1 group of equal images has several classes" in said
    assert "1 test image has an equal one outside" in said
    assert "known by heart" in found.words["limits"]


def _replace(files: RunFiles, pixels: np.ndarray) -> None:
    path, manifest = files.prepared / "images.npy", files.prepared / "manifest.json"
    np.save(path, pixels)
    values = json.loads(manifest.read_text(encoding="utf-8"))
    values["images_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(values), encoding="utf-8")


def test_places_of_images_stay_at_home() -> None:
    params = {"dataset": {"location": "https://user:secret@host/x.zip", "name": "x"}, "seeds": [0]}
    weights = {"teachers": {"one": {"network": {"weights": {"location": "/home/me/w", "sha256": "ab"}}}}}
    text = yaml.safe_dump(shareable(params | weights))
    assert "secret" not in text
    assert "/home" not in text
    assert "sha256: ab" in text
    assert shareable({"location": None}) == {"location": None}


def test_only_the_projects_own_images_are_shown_by_default() -> None:
    files = [ROOT / "params.yaml", *(ROOT / "presets").glob("*.yaml")]
    shown = {
        params["dataset"]["source"]
        for params in (yaml.safe_load(file.read_text(encoding="utf-8")) for file in files)
        if params["page"]["example_images"]
    }
    assert shown == {"scenes"}


def test_the_stage_declares_the_templates_too() -> None:
    """What tests/pipeline/test_declared.py compares is Python alone."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert "erkt/report/templates" in stages["report"]["deps"]
    readers = [name for name, entry in stages.items() if "data/report.html" in entry["deps"]]
    assert readers == []
    assert stages["report"]["outs"] == ["data/report.html"]
