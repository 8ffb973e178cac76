"""The model card of a student for people and for Hugging Face's hub, made from the run's own figures."""

import re
from collections.abc import Iterator

from huggingface_hub import EvalResult, ModelCardData

from erkt.deploy.card import Calibration, ModelCard, Weights
from erkt.networks.models import NOT_STATED

_FIGURES = {"oa": ("accuracy", "overall accuracy (OA), %"), "kappa": ("cohen_kappa", "Cohen's kappa, %")}

_USE = """
    import timm
    model = timm.create_model("local-dir:PATH", pretrained=True).eval()
    config = timm.data.resolve_data_config(model=model)
    transform = timm.data.create_transform(**config, is_training=False)

Without `pretrained=True` timm returns random weights and does not say so.
"""

_CROPPED = """
It was trained on the central square of images. timm resizes before it crops, which differs in rounding where
images are not square: crop these first.
"""


def model_card(card: ModelCard) -> str:
    """Return Markdown with front matter: what the student was trained on, how good it is, how to use it."""
    licence = card.weights.licence
    data = ModelCardData(
        library_name="timm",
        pipeline_tag="image-classification",
        tags=["timm", "transformers", "image-classification", "remote-sensing", "knowledge-distillation"],
        license=None if licence == NOT_STATED else licence,
        model_name=card.arch,
        eval_results=_results(card) or None,
    )
    return f"---\n{data.to_yaml()}\n---\n\n" + "\n".join(_sections(card)) + "\n"


def _results(card: ModelCard) -> list[EvalResult]:
    if card.training is None:
        return []
    return [
        EvalResult(
            task_type="image-classification",
            dataset_type=card.training.dataset,
            dataset_name=card.training.dataset,
            dataset_split="test",
            metric_type=kind,
            metric_name=name,
            metric_value=round(card.results[figure], 2),
        )
        for figure, (kind, name) in _FIGURES.items()
        if figure in card.results
    ]


def _sections(card: ModelCard) -> Iterator[str]:
    yield f"# {_literal(card.arch)}, {len(card.classes)} classes of scenes\n"
    yield f"{card.parameters / 1e6:.2f} million parameters, images of {card.side} x {card.side} pixels."
    if card.training:
        found = card.training
        more = f" and {found.unlabelled} without a label" if found.unlabelled else ""
        taught = f", by an ensemble of {len(card.teachers)} teachers" if card.teachers else ""
        images = f"{found.images} images of {_literal(found.dataset)}{more}"
        yield f"Trained on {images}{taught}, seed {found.seed}."
    yield f"\nClasses: {', '.join(map(_literal, card.classes))}.\n\n## Use\n{_USE}"
    if card.non_square == "center_crop":
        yield _CROPPED
    if card.bands or card.stretch:
        bands = ", ".join(map(str, card.bands or ())) or "all"
        low, high = card.stretch or (0, 255)
        yield f"Files are read by rasterio: bands {bands}, values {low:g} to {high:g} as black to white.\n"
    if card.calibration:
        yield from _probabilities(card.calibration)
    if card.results:
        yield "## On the test part\n"
        yield from (f"- {_literal(name)}: {value:.4g}" for name, value in card.results.items())
    yield f"\n## Origin\n\n- initial weights: {_origin(card.weights)}"
    for name, weights in card.teachers.items():
        taught = f"teacher {_literal(name)}, share {card.shares[name]:.2f}"
        yield f"- {taught}: {_literal(weights.arch)}, {_origin(weights)}"
    if card.commit or card.inputs:
        named = ("commit", card.commit) if card.commit else ("inputs of the stage, sha256", card.inputs)
        yield f"- {named[0]}: {_literal(str(named[1]))}"


def _probabilities(found: Calibration) -> Iterator[str]:
    yield f"## Probabilities\n\nDivide logits by {found.temperature:.4g} before the softmax. On"
    yield f"the {found.images} images of the {found.part} part, to which this was fitted, the calibration"
    yield f"error (ECE) falls from {found.ece_before:.1f} to {found.ece_after:.1f} %."
    if found.threshold is not None:
        yield f"Of the predictions with a probability of {found.threshold:.3f} or more, which are"
        yield f"{found.coverage:.1f} % of all, {found.accuracy:.1f} % were right."
    yield ""


def _origin(weights: Weights) -> str:
    licence = f"licence: {weights.licence}" if weights.licence else None
    return ", ".join(_literal(part) for part in (weights.source, weights.origin, licence) if part)


def _literal(text: str) -> str:
    """Return ``text`` as Markdown that shows it, whatever it holds: no tag, link, emphasis or formula.

    An underscore within a word means nothing, and stays as it is.
    """
    text = re.sub(r"[\\`*\[\]<>|~$&!#]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", text)
    return re.sub(r":(?=//)|(?<=www)\.", r"\\\g<0>", " ".join(text.split()))
