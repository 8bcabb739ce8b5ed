"""Networks on crossbars: bit for bit the integer network, near the float network, faults and bad input told."""

import numpy as np
import pytest
import torch

import spicecim as sc
from spicecim.encodings import (
    Binarized,
    BitSliced,
    ConductanceWeighted,
    DualCrossbar,
    FrequencyWeighting,
    IdealArithmetic,
    Offset,
    Polarized,
    WeightSet,
)
from spicecim.errors import InputError
from spicecim.networks import (
    accuracy,
    compare_tile,
    constrain,
    crossbars,
    in_integers,
    layers_of,
    lenet5,
    record_inputs,
    report,
    report_table,
    resnet18,
)
from spicecim.networks.matrices import is_held

nn = torch.nn
pytestmark = [pytest.mark.usefixtures("without_gradients"), pytest.mark.torch]


@pytest.fixture
def without_gradients():
    with torch.no_grad():
        yield


OBLEA = {"model": "yakopcic", "preset": "oblea"}


def seeded(build, *shape):
    torch.manual_seed(3)
    return build(), torch.randn(*shape)


CONVOLUTIONS = {
    "padded": lambda: nn.Conv2d(4, 6, 3, padding=1),
    "strided": lambda: nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(0, 1)),
    "dilated": lambda: nn.Conv2d(4, 6, 3, dilation=2, bias=False),
    "grouped": lambda: nn.Conv2d(4, 6, 3, groups=2, padding="same"),
    "depthwise": lambda: nn.Conv2d(4, 8, 3, groups=4, padding=1, padding_mode="circular"),
    "reflected": lambda: nn.Conv2d(4, 6, 3, padding=2, padding_mode="reflect"),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("signed", [False, True], ids=["positive", "signed"])
def test_convolutions_are_those_of_pytorch(name, signed):
    """Exactly in integers by PyTorch's own convolution; as near in floats as 16-bit inputs and 8-bit weights are."""
    module, images = seeded(CONVOLUTIONS[name], 3, 4, 9, 8)
    images = images if signed else images.abs()
    found = crossbars(module, DualCrossbar(input_bits=16), [images])
    assert torch.equal(found(images), in_integers(found, images))
    assert found.inputs.zero == 0 if not signed else found.inputs.zero > 0
    wanted = module(images)
    assert found(images).shape == wanted.shape
    assert float((found(images) - wanted).abs().max() / wanted.abs().max()) < 0.02


@pytest.mark.parametrize("build", [
    lambda: nn.Conv1d(4, 6, 3, stride=2, padding=2, dilation=2),
    lambda: nn.Conv1d(4, 6, 4, groups=2),
    lambda: nn.Linear(11, 5),
])  # fmt: skip
def test_layers_of_one_dimension(build):
    module, inputs = seeded(build, 3, 4, 11)
    found = crossbars(module, Offset(input_bits=16), [inputs])
    assert torch.equal(found(inputs), in_integers(found, inputs))
    wanted = module(inputs)
    assert found(inputs).shape == wanted.shape
    assert float((found(inputs) - wanted).abs().max() / wanted.abs().max()) < 0.02


class Skipping(nn.Module):
    """Skips, attention and a normalization that is not alone: what is left as it is."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.shared = nn.BatchNorm2d(4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.last = nn.Linear(4, 3)

    def forward(self, x):
        x = torch.relu(self.norm(self.first(x)))
        inner = self.second(x)
        x = self.shared(inner) + inner + x
        tokens = x.flatten(2).transpose(1, 2)
        mixed, _ = self.attention(tokens, tokens, tokens)
        return self.last(mixed.mean(dim=1))


def with_statistics(model):
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
    return model.eval()


def test_a_normalization_is_folded_where_it_alone_follows():
    """Negative gains too, which no weight on the crossbars takes over."""
    model, images = seeded(lambda: with_statistics(Skipping()), 2, 1, 6, 6)
    schemes = {"first": DualCrossbar(input_bits=16), "second": DualCrossbar(input_bits=16)}
    found = crossbars(model, schemes, [images])
    assert isinstance(found.norm, nn.Identity)
    assert isinstance(found.shared, nn.BatchNorm2d)
    assert isinstance(found.last, nn.Linear)
    assert torch.equal(found(images), in_integers(found, images))
    assert float((found(images) - model(images)).abs().max() / model(images).abs().max()) < 0.02
    assert list(layers_of(found)) == ["first", "second"]
    assert isinstance(model.norm, nn.BatchNorm2d)  # the model itself is left as it was


@pytest.fixture(scope="module")
def polarized():
    """LeNet-5, untrained, in fragments of 8 rows, and images that light up a part."""
    scheme = Polarized(fragment=8)
    model = lenet5(seed=1)
    names = [name for name, module in model.named_modules() if hasattr(module, "weight")]
    images = torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(1)).sub(0.5).clamp(0)
    return constrain(model, dict.fromkeys(names, scheme.constraint())), images, scheme


SCHEMES = [
    Polarized(fragment=8),
    *(
        pytest.param(scheme, marks=pytest.mark.slow)
        for scheme in (
            Polarized(fragment=8, input_bits=16, cell_bits=4),
            DualCrossbar(),
            Offset(),
            IdealArithmetic(input_bits=16),
        )
    ),
]


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_lenet_on_ideal_crossbars_is_the_integer_network_bit_for_bit(scheme, polarized):
    model, images, _ = polarized
    found = crossbars(model, scheme, [images])
    outputs = found(images)
    assert torch.equal(outputs, in_integers(found, images))
    assert float((outputs - model(images)).abs().max() / model(images).abs().max()) < 0.05
    assert all(layer.clipped == 0 for layer in layers_of(found).values())


@pytest.fixture(scope="module")
def residual():
    """ResNet-18 of random weights that all schemes of integers hold: one sign in 8 rows, from -127 to 127."""
    model = resnet18(seed=1).eval()
    held = {name: module for name, module in model.named_modules() if is_held(module)}
    largest = {name: float(module.weight.detach().abs().max()) for name, module in held.items()}
    sets = {
        name: WeightSet(fragment_size=8, polarized=True, levels=127, scale=value / 127)
        for name, value in largest.items()
    }
    return constrain(model, sets), torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.slow
@pytest.mark.parametrize(
    "scheme", [Polarized(fragment=8), DualCrossbar(), Offset(), IdealArithmetic(bits=7)], ids=lambda scheme: scheme.name
)
def test_resnet_on_ideal_crossbars_is_the_integer_network_bit_for_bit(scheme, residual):
    model, image = residual
    found = crossbars(model, scheme, [image])
    outputs = found(image)
    assert torch.equal(outputs, in_integers(found, image))
    assert len(layers_of(found)) == 21
    assert not any(isinstance(module, nn.BatchNorm2d) for module in found.modules())
    assert float((outputs - model(image)).abs().max() / model(image).abs().max()) < 0.05


@pytest.mark.parametrize("scheme", [
    FrequencyWeighting(device=OBLEA, amplitude=0.45, scheme="predistorted", levels=256),
    BitSliced(device=OBLEA, amplitude=0.45),
    ConductanceWeighted(device=OBLEA, amplitude=0.45),
    Binarized(device=OBLEA, amplitude=0.45),
], ids=lambda scheme: scheme.name)  # fmt: skip
@pytest.mark.slow
def test_sine_schemes_run_a_network(scheme):
    """Static ones within their error of the integers; what others make of products is theirs, and finite."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 3))
    inputs = torch.rand(5, 12)
    found = crossbars(model, scheme, [inputs])
    wanted = in_integers(found, inputs)
    error = float((found(inputs) - wanted).abs().max() / wanted.abs().max())
    assert np.isfinite(error)
    if scheme.name in ("bit_sliced", "conductance_weighted"):
        assert error < 3e-3


@pytest.mark.slow
def test_zero_rows_and_columns_take_no_crossbar():
    module, inputs = seeded(lambda: nn.Linear(300, 40), 4, 300)
    with torch.no_grad():
        module.weight[:, 128:] = 0.0
        module.weight[30:] = 0.0
    found = crossbars(module, DualCrossbar(), [inputs.abs()])
    assert found.groups[0].programmed.weights.shape == (128, 30)
    assert torch.equal(found(inputs.abs()), in_integers(found, inputs.abs()))
    assert report(found).crossbars.item() == 2


@pytest.mark.slow
def test_faults_are_those_of_a_layer_or_of_all(polarized):
    model, images, _ = polarized
    room = {"low": 0.1, "high": 0.5}
    worse = Polarized(states=room, scatter={"sigma": 0.2, "seed": 1})
    one = report(crossbars(model, {"conv2": worse, "*": Polarized()}, [images]))
    errors = one.product_error.values
    assert errors[1] > 0.01
    assert not errors[[0, 2, 3, 4]].any()
    every = crossbars(model, worse, [images])
    assert (report(every).product_error > 0.01).all()
    first, second = (layer.groups[0].programmed.scheme.scatter.seed for layer in list(layers_of(every).values())[:2])
    assert first != second
    clipped = crossbars(model, Polarized(converter={"bits": 2, "range": 3}), [images])
    clipped(images)
    assert all(layer.clipped > 0 for layer in layers_of(clipped).values())
    assert report(clipped).adc_bits.values.tolist() == [2] * 5


@pytest.mark.slow
def test_the_report_counts_what_tiles_there_are(polarized):
    model, images, scheme = polarized
    found = crossbars(model, scheme, [images])
    told = report(found)
    for name, layer in layers_of(found).items():
        assert told.crossbars.sel(layer=name) == len(layer.tiles)
        assert told.cells.sel(layer=name) == sum(layer.tile(k).resources.cells for k in range(len(layer.tiles)))
    assert (told.input_cycles <= 8).all()
    table = report_table(told).splitlines()
    assert len(table) == 2 + 5 + 1
    assert table[-1].split(" | ")[3] == str(int(told.crossbars.sum()))


def test_tiles_run_in_ngspice_on_inputs_that_they_saw(polarized):
    model, images, _ = polarized
    found = crossbars(model, Polarized(fragment=8, rows=8), [images])
    seen = record_inputs(found, images)
    for name, number in (("conv1", 1), ("fc3", 4)):
        vectors = seen[name][seen[name].any(axis=1)][:1]
        told = compare_tile(found.get_submodule(name), number, vectors)
        assert told.codes > 0
        assert (told.off_reference, told.off_integers) == (0, 0)


def test_tiles_of_a_layer_add_up_to_its_products(polarized):
    model, images, scheme = polarized
    found = crossbars(model, scheme, [images])
    layer = found.fc1
    vectors = record_inputs(found, images)["fc1"]
    products = np.zeros((len(vectors), 120))
    programmed = layer.groups[0].programmed
    columns = np.flatnonzero(layer.groups[0].columns)
    for number in range(len(layer.tiles)):
        part = layer.tile(number).multiply(layer.tile_inputs(number, vectors)).products
        products[:, columns[programmed.tiles[number].outputs]] += part
    np.testing.assert_array_equal(products, layer.products(vectors, exact=True))


def test_an_attention_runs_as_it_is_and_the_rest_on_crossbars():
    model, images = seeded(lambda: with_statistics(Skipping()), 2, 1, 6, 6)
    found = crossbars(model, DualCrossbar(), [(images, torch.zeros(2))])
    assert found(images).shape == (2, 3)
    assert not {name for name in layers_of(found) if "attention" in name}


class Encoding(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.first, self.encoder = nn.Linear(8, 16), nn.TransformerEncoder(layer, 2)

    def forward(self, words, absent=None):
        return self.encoder(self.first(words), src_key_padding_mask=absent)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")  # by the encoder before it is on crossbars
def test_the_linear_layers_of_an_encoder_are_called():
    model, words = seeded(lambda: Encoding().eval(), 4, 5, 8)
    found = crossbars(model, DualCrossbar(), [words])
    assert sorted(layers_of(found)) == [f"encoder.layers.{n}.linear{m}" for n in (0, 1) for m in (1, 2)] + ["first"]
    difference = found(words) - model(words)
    assert 0.0 < difference.abs().max() < 0.02
    absent = torch.zeros(4, 5, dtype=torch.bool)
    absent[0, 3:] = True
    assert (found(words, absent) - model(words, absent))[~absent].abs().max() < 0.02


def not_finite(module):
    with torch.no_grad():
        module.weight[0, 0] = float("nan")
    return module


IMAGES = torch.ones(2, 1, 7, 7)


@pytest.mark.parametrize(
    ("build", "scheme", "calibration", "message"),
    [
        (lambda: nn.Sequential(nn.Conv3d(1, 2, 1)), DualCrossbar(), [IMAGES], "model: it has no layer that crossbars"),
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv3d(1, 2, 1)), {"1": DualCrossbar()}, [IMAGES],
         "scheme: 1 is a Conv3d, which no crossbar can hold; Linear, Conv1d and Conv2d can be"),
        (lambda: nn.MultiheadAttention(8, 2), {"out_proj": DualCrossbar()}, [IMAGES],
         "scheme: out_proj belongs to an attention, which takes its weights without calling it; no crossbar can"),
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 1)), {"fc": DualCrossbar()}, [IMAGES],
         "scheme: no module 'fc' is there; those that crossbars can hold are 0"),
        (lambda: nn.Sequential(not_finite(nn.Linear(7, 2))), DualCrossbar(), [IMAGES], "0: its weights must be finite"),
        (lambda: nn.Sequential(nn.Linear(8, 2)), DualCrossbar(), [IMAGES],
         r"calibration: the network does not take inputs of shape \(2, 1, 7, 7\)"),
        (lambda: nn.Sequential(nn.Linear(7, 2)), DualCrossbar(), [], "calibration: must have at least one batch"),
        (lambda: nn.Sequential(nn.Linear(7, 2)), DualCrossbar(), [3], "calibration: must be batches of tensors"),
        (lambda: nn.Sequential(nn.Linear(7, 2)), DualCrossbar(), [0 * IMAGES], "0: gets nothing but zeros"),
        (lambda: nn.Sequential(nn.Linear(7, 2)), DualCrossbar(), [IMAGES / 0], "0: gets inputs .* not finite"),
        (lambda: nn.Sequential(nn.Linear(7, 2)), Polarized(), [IMAGES],
         r"0: polarized cannot hold its weights .*a fragment must have one sign.*constrain\(model, \{'0'"),
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 1), nn.MaxPool2d(2)), DualCrossbar(), [IMAGES],
         "1: squares of 2 x 2 do not cover a map of 7 x 7; pad it, or pool with ceil_mode"),
        (lambda: nn.Sequential(zeroed(nn.Linear(7, 2))), DualCrossbar(),
         [IMAGES], "0: weights: are all zero"),
        (lambda: nn.Sequential(nn.Linear(7, 7), nn.Linear(7, 2)), DualCrossbar(), None,
         r"calibration: must be batches of inputs, such as Batches\(images, labels\) or \[images\]; it is None"),
        (lambda: nn.Sequential(nn.Linear(7, 2)), DualCrossbar(), IMAGES, "calibration: must be batches of inputs"),
        (lambda: nn.Sequential(nn.Linear(7, 2)), "polarized", [IMAGES],
         r"scheme: must be a scheme, such as Polarized\(fragment=8\), or .*; it is 'polarized'"),
        (lambda: nn.Sequential(nn.Linear(7, 7), nn.Linear(7, 2)), {"0": "polarized"}, [IMAGES], "scheme: must be"),
        (lambda: nn.Sequential(without_end(nn.Linear(7, 7)), nn.Linear(7, 2)), DualCrossbar(), [IMAGES],
         "0: .*weights.* finite"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(build, scheme, calibration, message):
    torch.manual_seed(0)
    with pytest.raises(InputError, match=message):
        crossbars(build(), scheme, calibration)


def without_end(module):
    nn.init.constant_(module.weight, np.inf)
    return module


def test_no_image_is_told():
    for build in (nn.Linear(7, 2), nn.Conv2d(1, 2, 3)):
        found = crossbars(nn.Sequential(build), DualCrossbar(), [IMAGES])
        with pytest.raises(InputError, match="0: there must be an image; its inputs have the shape"):
            found(IMAGES[:0])


def zeroed(module):
    nn.init.zeros_(module.weight)
    return module


def test_inputs_that_are_not_finite_are_told():
    found = crossbars(nn.Sequential(nn.Linear(7, 2)), DualCrossbar(), [IMAGES])
    with pytest.raises(InputError, match="0: its inputs must be finite"):
        found(IMAGES / 0)
    with pytest.raises(InputError, match="0: tile must be a number from 0 to 1"):
        found[0].tile(2)
    with pytest.raises(InputError, match="has no layer on crossbars"):
        report(nn.Sequential(nn.Linear(7, 2)))


def test_networks_are_public():
    assert sc.networks.crossbars is crossbars
    assert accuracy(nn.Identity(), torch.eye(3), torch.arange(3)) == 1.0
