import torch
from made import classifier, subset

from erkt.networks.inference import predict


def test_a_network_that_has_predicted_can_still_learn() -> None:
    """Moving it to a device in inference mode would take its gradients."""
    model = classifier()
    predict(model, subset(3), 3, torch.device("cpu"))
    model(torch.rand(1, 3, 16, 16)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
