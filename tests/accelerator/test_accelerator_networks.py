"""Networks as tables of layers: their sizes, tables of one's own, and PyTorch modules."""

import pytest
import torch
import yaml
from torch import nn

from spicecim.accelerator import NETWORK_NAMES, NetworkShape, evaluate, load_network
from spicecim.accelerator.torch_layers import layers_of
from spicecim.errors import InputError, TestbenchError, UnsupportedError

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    ("network", "weights", "products"),
    [
        ("vgg16", 138.34e6, 15.470e9),
        ("resnet18", 11.68e6, 1.814e9),
        ("resnet50", 25.50e6, 4.089e9),
        ("vgg16_cifar10", 14.7e6, 0.313e9),
        ("resnet18_cifar10", 11.17e6, 0.556e9),
        ("lenet5", 150 + 2400 + 48000 + 10080 + 840, 150 * 784 + 2400 * 100 + 48000 + 10080 + 840),
    ],
)
def test_weights_and_products(network, weights, products):
    """Published counts, without biases and normalization; those of LeNet-5 by hand."""
    assert load_network(network).weights == pytest.approx(weights, rel=2e-3)
    assert load_network(network).products == pytest.approx(products, rel=2e-3)


def test_the_mapping_has_the_network_s_weights_and_products():
    found = evaluate("forms_8", "resnet50").result
    assert found.weights == sum(layer.weights for layer in found.layers) == 25_502_912
    assert found.products == sum(layer.products for layer in found.layers) == 4_089_184_256


def test_every_name_is_a_network():
    for name in NETWORK_NAMES:
        assert load_network(name).name == name
    assert load_network("resnet50").pruning.value == 3.67


def table(tmp_path, layers, **changes):
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({"name": "own", "layers": layers, **changes}))
    return path


def test_a_table_of_one_s_own(tmp_path):
    layers = [
        {"name": "conv", "lines": 27, "outputs": 16, "positions": 100},
        {"name": "depthwise", "lines": 9, "outputs": 1, "groups": 16, "positions": 100, "pruning": 2},
        {"name": "fc", "lines": 1600, "outputs": 10},
    ]
    path = table(tmp_path, layers, pruning={"value": 4, "assumed": "a test"})
    network = load_network(path)
    assert network.weights == 27 * 16 + 9 * 16 + 16000
    assert network.products == 100 * (27 * 16 + 9 * 16) + 16000
    conv, depthwise, dense = evaluate("forms_8", path).result.layers
    assert (conv.pruning, depthwise.pruning, dense.pruning) == (4, 2, 4)
    assert (conv.crossbars, depthwise.crossbars, dense.crossbars) == (1, 8, 4)
    assert [layer.crossbars for layer in evaluate("isaac", path).result.layers] == [1, 16, 13]


def test_a_layer_of_any_size_is_counted_and_not_enumerated(tmp_path):
    path = table(tmp_path, [{"name": "huge", "lines": 10**9, "outputs": 10**9}])
    found = evaluate("isaac", path).result
    assert found.crossbars == 10**9 // 128 * (10**9 // 16)
    assert found.chips == -(-found.crossbars // 16128)


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ([], "layers: must have 1 entry at least (given: [])"),
        ({"a": {"lines": 1, "outputs": 1}}, "layers: must be a list"),
        ([{"name": "a", "lines": 0, "outputs": 1}], "layers.0.lines: "),
        ([{"name": "a", "lines": 1}], "layers.0.outputs: is required"),
        ([{"name": "a", "lines": 1, "outputs": 1, "stride": 2}], "layers.0.stride: unknown key; known are name, lines"),
        ([{"name": "a", "lines": 1, "outputs": 1, "pruning": 0.5}], "layers.0.pruning: must be between 1"),
        ([{"name": "a\x1b", "lines": 1, "outputs": 1}], "layers.0.name: "),
        ([{"name": "a", "lines": 1e10, "outputs": 1}], "layers.0.lines: "),
    ],
)
def test_what_is_wrong_with_a_table_is_said_with_its_field(tmp_path, layers, said):
    with pytest.raises(TestbenchError) as error:
        load_network(table(tmp_path, layers))
    assert said in str(error.value)


def test_pruning_leaves_weights_over(tmp_path):
    path = tmp_path / "own.yaml"
    layers = [{"name": "a", "lines": 1, "outputs": 1}]
    path.write_text(yaml.safe_dump({"name": "own", "pruning": {"value": 0.5, "assumed": "x"}, "layers": layers}))
    with pytest.raises(TestbenchError, match=r"own\.yaml: pruning\.value: must be between 1 and 1e\+06; it is 0\.5"):
        load_network(path)


def test_an_unknown_network_is_an_input_error():
    with pytest.raises(InputError, match=r"unknown network 'vgg61'; known are lenet5.*did you mean 'vgg16'"):
        load_network("vgg61")


@pytest.mark.parametrize("given", ["net.pt", "net.onnx", "net.py", object()])
def test_a_module_is_sent_to_what_takes_it(given):
    with pytest.raises(InputError, match=r"network: must be a name or a file .*torch_layers\.layers_of"):
        load_network(given)


def test_the_layers_of_a_module_are_those_of_the_table():
    module = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Dropout(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    found = layers_of(module, torch.zeros(3, 1, 28, 28))
    known = load_network("lenet5")
    assert isinstance(found, NetworkShape)
    assert [(each.lines, each.outputs, each.positions) for each in found.layers] == [
        (each.lines, each.outputs, each.positions) for each in known.layers
    ]
    assert module.training
    assert module[9].training
    assert not module[0]._forward_hooks
    one, other = evaluate("isaac", found).result, evaluate("isaac", known).result
    assert one.frames_per_second == other.frames_per_second


def test_groups_sequences_and_layers_that_are_used_twice():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.depthwise = nn.Conv1d(8, 16, 3, groups=4, padding=1)
            self.dense = nn.Linear(16, 16)

        def forward(self, inputs):
            return self.dense(self.dense(self.depthwise(inputs).transpose(1, 2)))

    depthwise, dense = layers_of(Twice(), torch.zeros(2, 8, 10)).layers
    assert (depthwise.lines, depthwise.outputs, depthwise.groups, depthwise.positions) == (6, 4, 4, 10)
    assert (dense.lines, dense.outputs, dense.positions) == (16, 16, 20)


@pytest.mark.parametrize(
    ("module", "inputs", "said"),
    [
        (nn.Linear, torch.zeros(1, 4), "module: must be a torch.nn.Module; it is <class"),
        (nn.Linear(4, 4), [1.0], "inputs: must be a batch of inputs, a tensor that is not empty; it is"),
        (nn.Linear(4, 4), torch.zeros(0, 4), "inputs: must be a batch of inputs, a tensor that is not empty; it is"),
        (nn.Linear(4, 4), torch.zeros(1, 5), r"inputs: the network does not take inputs of shape \(1, 5\): "),
    ],
)
def test_what_is_no_module_or_does_not_fit_it_is_refused(module, inputs, said):
    with pytest.raises(InputError, match=f"^{said}"):
        layers_of(module, inputs)


def test_the_layers_of_a_module_are_the_same_after_they_are_written_and_read(tmp_path):
    found = layers_of(nn.Sequential(nn.Conv2d(1, 6, 5), nn.Flatten(), nn.Linear(96, 4)), torch.zeros(1, 1, 8, 8))
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(found.model_dump(mode="json", exclude_none=True)))
    assert load_network(path) == found


def test_weights_that_no_layer_reads_are_refused():
    module = nn.ModuleDict({"dense": nn.Linear(4, 4)})
    module.forward = module["dense"].forward
    module.register_parameter("own", nn.Parameter(torch.zeros(3, 3)))
    with pytest.raises(UnsupportedError, match="own"):
        layers_of(module, torch.zeros(1, 4))
    with pytest.raises(UnsupportedError, match="none"):
        layers_of(nn.ReLU(), torch.zeros(1, 4))
