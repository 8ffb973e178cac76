"""Several processes train one network together: the weights of one process, up to rounding."""

import json
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from made import CARD, CLASSES, LOSS, RECIPE, batches, classifier
from torch import nn

from erkt.inflight.stopping import Stop
from erkt.losses.objective import Objective
from erkt.losses.supervised import Supervised
from erkt.networks.models import Classifier
from erkt.training.engine import fit
from erkt.training.processes import launch
from erkt.training.ranks import ALONE, Ranks, joined
from erkt.views.batches import ViewBatches

TABLE = torch.randn(31, len(CLASSES), generator=torch.Generator().manual_seed(0), dtype=torch.double)
LOSSES = ("dist", "kd", "dkd", "multi_level", "none")
CASES = (*LOSSES, "unlabelled", "supervised")
EPOCHS = 2  # of four steps each, the last with seven images: three pairs and one without a partner


def plain() -> Classifier:
    """Return a network in float64 whose images do not see each other: no batch norm, and no dropout."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
        network = nn.Sequential(*layers, nn.Linear(32, len(CLASSES)))
    return Classifier(network, replace(CARD)).double()


def partly_labelled() -> ViewBatches:
    data = batches()
    labels = np.where(np.arange(31) < 19, data.subset.labels, -1)
    return replace(data, subset=replace(data.subset, labels=labels))


def rows_and_weights(case: str, ranks: Ranks) -> tuple[list[dict[str, float]], dict[str, torch.Tensor]]:
    """Train as ``case`` says: with a gradient that is mostly shortened, and an average of the weights."""
    model = plain()
    epochs = fit(
        model,
        partly_labelled() if case == "unlabelled" else batches(),
        Supervised()
        if case == "supervised"
        else Objective(replace(LOSS, loss=case if case in LOSSES else "dist")),
        recipe=replace(RECIPE, epochs=EPOCHS, weight_decay=0.1, clip_norm=0.1),
        seed=3,
        teach=lambda batch: TABLE[batch.index],
        averaging=0.5,
        ranks=ranks,
    )
    return list(epochs), model.state_dict()


def note(folder: Path, name: str, ranks: Ranks, rows: Any, weights: Iterable[torch.Tensor]) -> None:
    flat = torch.cat([tensor.detach().double().flatten() for tensor in weights])
    np.save(folder / f"{name}-{ranks.number}.npy", flat.numpy())
    (folder / f"{name}-{ranks.number}.json").write_text(json.dumps(rows))


def work(stop: Stop, folder: Path) -> str:
    """Train every case, and a network with batch norm and dropout; note what this process ends with."""
    with joined(torch.device("cpu"), share_cores=False) as ranks:
        for case in CASES:
            rows, state = rows_and_weights(case, ranks)
            note(folder, case, ranks, rows, state.values())
        model, seeds = classifier(), []
        model.register_forward_pre_hook(lambda *_: seeds.append(torch.initial_seed()))
        list(fit(model, batches(), Supervised(), recipe=RECIPE, seed=3, ranks=ranks))
        note(folder, "whole", ranks, seeds, model.state_dict().values())
        addresses = heard_at(os.getpid()) | heard_at(os.getppid())
    return json.dumps([ranks.count, sorted(addresses)])


def heard_at(process: int) -> set[str]:
    """Return the addresses at which others can reach a process."""
    found = psutil.Process(process).net_connections()
    return {connection.laddr.ip for connection in found if connection.status == psutil.CONN_LISTEN}


@pytest.fixture(scope="module", params=[pytest.param(2, marks=pytest.mark.slow), 3])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    """Train in so many processes; return the number, and the folder of what each noted."""
    folder = tmp_path_factory.mktemp("trained")
    count, addresses = json.loads(launch(request.param, torch.device("cpu"), work, folder))
    assert count == request.param
    assert set(addresses) <= {"127.0.0.1", "::1"}
    return count, folder


@pytest.mark.parametrize("case", CASES)
def test_any_number_of_processes_ends_with_the_weights_of_one(trained: tuple[int, Path], case: str) -> None:
    count, folder = trained
    rows, state = rows_and_weights(case, ALONE)
    start = torch.cat([tensor.flatten() for tensor in plain().state_dict().values()])
    alone = torch.cat([tensor.flatten() for tensor in state.values()])
    assert (alone - start).abs().max() > 1e-2
    for number in range(count):
        together = np.load(folder / f"{case}-{number}.npy")
        assert np.abs(together - alone.numpy()).max() < 1e-12
        assert json.loads((folder / f"{case}-{number}.json").read_text()) == [
            pytest.approx(row) for row in rows
        ]


def test_every_process_ends_with_the_same_state_and_none_drew_the_dropout_of_another(
    trained: tuple[int, Path],
) -> None:
    """With batch norm too, whose running statistics are of all images: their count is that of the steps."""
    count, folder = trained
    states = [np.load(folder / f"whole-{number}.npy") for number in range(count)]
    assert all(np.array_equal(states[0], state) for state in states)
    seeds = [
        seed for number in range(count) for seed in json.loads((folder / f"whole-{number}.json").read_text())
    ]
    assert len(set(seeds)) == len(seeds) == 8 * count
