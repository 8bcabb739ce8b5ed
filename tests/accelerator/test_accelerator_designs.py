"""Designs: sums of the published tables, where numbers come from, and what is said of a file that is wrong."""

from typing import get_args

import pytest
import yaml

from spicecim.accelerator import Design, design_names, evaluate, load_design, load_network
from spicecim.accelerator.design import (
    LEVELS,
    Component,
    Organization,
    PublishedTotals,
    Timing,
    Traffic,
    WeightEncoding,
    ZeroSkipping,
)
from spicecim.accelerator.sourced import (
    PROVENANCES,
    BytesPerSecond,
    Hertz,
    Joules,
    Seconds,
    Sourced,
    SourcedSection,
    SquareMillimeters,
    Watts,
)
from spicecim.errors import InputError, TestbenchError
from spicecim.fields import Section
from spicecim.resources import resource_folder


def level_sums(design, level):
    parts = load_design(design).components.level(level).values()
    return 1e3 * sum(part.power_w for part in parts), sum(part.area_mm2 for part in parts)


def test_isaac_s_sums_are_those_of_its_table():
    """ISAAC, ISCA 2016, table of parameters: mW and mm2 of 12 IMAs, of a tile and of the chip."""
    unit, tile = level_sums("isaac", "unit"), level_sums("isaac", "tile")
    assert (12 * unit[0], 12 * unit[1]) == pytest.approx((289, 0.157), rel=5e-3)
    assert tile == pytest.approx((40.9, 0.215), rel=5e-3)
    assert (12 * unit[0] + tile[0], 12 * unit[1] + tile[1]) == pytest.approx((330, 0.372), rel=5e-3)
    chip = evaluate("isaac")
    assert (chip.power_w, chip.area_mm2) == pytest.approx((65.8, 85.4), rel=5e-3)
    assert 168e-3 * (12 * unit[0] + tile[0]) + 10.4 == pytest.approx(chip.power_w)


def test_isaac_s_peak_rate():
    chip = evaluate("isaac")
    assert chip.peak_tops == pytest.approx(16128 * 4096 / 1.6e-6 / 1e12)
    assert chip.peak_tops == pytest.approx(41.29, rel=1e-2)
    assert chip.gops_per_watt == pytest.approx(627.5, rel=1e-2)
    assert chip.gops_per_mm2 == pytest.approx(478.95, rel=1e-2)
    assert chip.converter_load == pytest.approx(128 / (1.2e9 * 100e-9))


def test_forms_sums_are_those_of_its_table():
    """FORMS, ISCA 2021: mW of 12 MCUs and of a tile, mW and mm2 of the chip."""
    unit, tile = level_sums("forms_8", "unit"), level_sums("forms_8", "tile")
    assert 12 * unit[0] == pytest.approx(280.05, rel=5e-3)
    assert 12 * unit[1] == pytest.approx(0.152, rel=5e-3)
    assert 12 * unit[0] + tile[0] == pytest.approx(333.1, rel=5e-3)
    chip = evaluate("forms_8")
    assert 1e3 * chip.power_w == pytest.approx(66360.8, rel=5e-3)
    assert chip.area_mm2 == pytest.approx(89.15, rel=5e-3)


def test_forms_reads_fragments_one_after_the_other():
    """A crossbar of 128 x 32 weights takes 16 fragments x 16 bits x 15.24 ns without skipping."""
    chip = evaluate("forms_8")
    assert chip.peak_tops == pytest.approx(16128 * 2 * 128 * 32 / (256 * 15.24e-9) / 1e12)
    mean = load_design("forms_8").skipping_shares() @ range(17)
    assert chip.effective_tops == pytest.approx(chip.peak_tops * 16 / mean)
    assert mean == pytest.approx(12.99, abs=0.01)


def test_skipped_cycles_are_those_that_forms_gives_for_resnet_50():
    for name, rows, cycles in (("forms_4", 4, 10.7), ("forms_8", 128, 15.0)):
        design = load_design(name).changed(encoding={"fragment": {"value": rows, "assumed": "a test"}})
        assert design.skipping_shares() @ range(17) == pytest.approx(cycles, abs=2e-3)


def test_energies_of_an_event():
    """16 mW / (8 x 1.2 GS/s), and 15.2 mW / (32 x 2.1 GS/s)."""
    assert load_design("isaac").converter.energy_per_event == pytest.approx(1.667e-12, rel=1e-3)
    assert load_design("forms_8").converter.energy_per_event == pytest.approx(0.2262e-12, rel=1e-3)


def test_dadiannao_is_fixed():
    found = evaluate("dadiannao")
    assert (found.power_w, found.area_mm2) == pytest.approx((20.1, 88), rel=5e-3)
    assert found.gops_per_mm2 == pytest.approx(63.46, rel=1e-2)
    with pytest.raises(InputError, match="dadiannao is a fixed reference: it has no crossbars"):
        evaluate("dadiannao", "lenet5")


def test_what_prime_does_not_publish_is_not_given():
    found = evaluate("prime", "lenet5")
    assert found.power_w is found.area_mm2 is found.peak_tops is None
    assert found.result.frames_per_second is found.result.energy_per_frame_j is None
    assert found.result.crossbars > 0


def sourced_in(section):
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Sourced):
            yield value
        elif isinstance(value, Section):
            yield from sourced_in(value)
        elif isinstance(value, dict):
            for part in value.values():
                yield from sourced_in(part)


def bare_numbers(section):
    """Fields of sections with sources that hold a number without one."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(section, SourcedSection) and isinstance(value, int | float) and not isinstance(value, bool):
            yield name


@pytest.mark.parametrize("name", design_names())
def test_every_number_of_a_design_says_where_it_is_from(name):
    design = load_design(name)
    assert design.name == name
    numbers = list(sourced_in(design))
    assert len(numbers) > 8
    assert all(number.provenance in PROVENANCES and len(number.note) > 5 for number in numbers)
    parts = [part for level in LEVELS for part in design.components.level(level).values()]
    for section in (design.encoding, design.organization, design.timing, design.published, *parts):
        assert section is None or not list(bare_numbers(section))


def test_a_design_is_the_same_after_it_is_written_and_read(tmp_path):
    for name in design_names():
        design = load_design(name)
        path = tmp_path / "own.yaml"
        path.write_text(yaml.safe_dump(design.model_dump(mode="json", exclude_none=True)))
        assert load_design(path) == design
    assert evaluate(path).power_w == evaluate(name).power_w


def test_a_changed_copy_changes_what_follows():
    changed = load_design("isaac").changed(organization={"tiles_per_chip": {"value": 84, "assumed": "half"}})
    whole, half = evaluate("isaac"), evaluate(changed)
    assert half.peak_tops == pytest.approx(whole.peak_tops / 2)
    assert half.power_w - 10.4 == pytest.approx((whole.power_w - 10.4) / 2)


def written(tmp_path, **changes):
    values = yaml.safe_load((resource_folder("designs") / "isaac.yaml").read_text())
    for dotted, value in changes.items():
        *sections, last = dotted.split("__")
        section = values
        for part in sections:
            section = section[part]
        if value is None:
            del section[last]
        else:
            section[last] = value
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"components__unit__ADC": {"power": "1 mW"}}, "components.unit.ADC.power: must say where it is from"),
        (
            {"components__unit__ADC__power": "16 mV"},
            "components.unit.ADC.power.value: must be a number with a unit, such as 15.2 mW (given: '16 mV')",
        ),
        ({"components__unit__DAC__powr": 1}, "components.unit.DAC.powr: unknown key; known are published, "),
        (
            {"components__unit__DAC__power": {"value": "1 mW"}},
            "components.unit.DAC.power: must have exactly one source",
        ),
        ({"components__unit__DAC__assumed": "x"}, "components.unit.DAC: must have one source at most"),
        ({"components__unit__DAC__area": "-1 mm2"}, "components.unit.DAC.area.value: must be between 0"),
        ({"components__unit__ADC__rate": None}, "components.unit.ADC.kind: a converter needs count, bits and rate"),
        ({"components__unit__DAC__energy": "1 pJ"}, "components.unit.DAC.energy: needs count and rate, and stands"),
        ({"components__unit__DAC__kind": "lamp"}, "components.unit.DAC.kind: must be 'converter'"),
        ({"components": {}}, "components: must have a component"),
        ({"encoding__rows": 2000}, "encoding.rows: "),
        ({"encoding__cell_bits": 3}, "encoding.cell_bits: "),
        ({"encoding__fragment": 7}, "encoding.fragment: must divide the 128 rows"),
        ({"encoding__fragment": 7}, "of a crossbar; it is 7\n"),
        ({"encoding__scheme": "plane"}, "encoding.scheme: must be"),
        ({"encoding": None}, "encoding: is required, unless peak_tops is given"),
        ({"peak_tops": {"value": 1, "assumed": "x"}}, "peak_tops: follows from encoding"),
        ({"organization__tiles_per_chip": 1.5}, "organization.tiles_per_chip.value: "),
        ({"organization__tiles_per_chip": 10**9}, "organization.tiles_per_chip.value: "),
        ({"organization__tiles_per_chip": True}, "organization.tiles_per_chip.value: must be a number"),
        ({"timing__cycle": "0 s"}, "timing.cycle.value: must be between 1e-15"),
        ({"timing__zero_skipping": {"assumed": "x"}}, "timing.zero_skipping: must have either shares"),
        ({"timing__zero_skipping": {"assumed": "x", "shares": [0.5, 0.5]}}, "must be the 17 shares of 0 to 16 cycles"),
        (
            {"components__unit__ADC__count": 4},
            "timing.cycle: must be 193.9 ns at least, or there must be more or faster",
        ),
        (
            {"timing__cycle": "15.24 ns"},
            "converters: conversions may take 1.1 times the cycle at most, and 8 of 1.2 GHz",
        ),
        ({"timing__cycle": "15.24 ns"}, "take 106.7 ns for 8 crossbars with 128 conversions each (given: 15.24 ns)"),
        (
            {"organization__crossbars_per_unit": 4},
            "components.unit.crossbars.count: must be that of organization.crossbars_per_unit, 4 (given: 8)",
        ),
        (
            {"components__unit__ADC__bits": 33},
            "components.unit.ADC.bits.value: must be less than or equal to 32",
        ),
        ({"components__unit": ["ADC"]}, "components.unit: must be a dictionary (given: ['ADC'])"),
        (
            {"components__unit__DAC__kind": "crossbar"},
            "components.unit: must have one component of kind crossbar at most",
        ),
        (
            {"components__tile__bus__kind": "crossbar"},
            "components.tile: must have no component of kind crossbar: they belong to a unit",
        ),
        (
            {"timing__zero_skipping": {"assumed": "x", "zero_inputs": 1, "mean_input": 0.1}},
            "timing.zero_skipping: must leave fragments that need a cycle",
        ),
        ({"name": "a/../b"}, "name: must be 60 letters, digits, spaces, _, +, / or - at most, the first a letter or"),
        ({"timing": 5}, "timing: must be a section with keys such as published, derived, estimated (given: 5"),
        ({"title": "\x1b[31m"}, "title: must be a text of one line"),
        ({"name": None}, "name: is required"),
    ],
)
def test_what_is_wrong_with_a_design_is_said_with_its_field(tmp_path, changes, said):
    with pytest.raises(TestbenchError) as error:
        load_design(written(tmp_path, **changes))
    assert said in f"{error.value}\n"
    assert "own.yaml" in str(error.value)


PHYSICAL = {
    "timing__cycle": "such as 15.24 ns",
    "traffic__tile_bus__value": "such as 20.48 GB/s",
    "traffic__chip_links__value": "such as 20.48 GB/s",
    "components__unit__ADC__rate": "such as 1.2 GHz",
    "components__unit__ADC__power": "such as 15.2 mW",
    "components__unit__ADC__energy": "such as 1.67 pJ",
    "components__unit__ADC__area": "such as 0.0096 mm2",
    "published__power": "such as 15.2 mW",
    "published__area": "such as 0.0096 mm2",
}
"""Fields of a design with a dimension, and what is said of a number without a unit."""


@pytest.mark.parametrize("value", [15.24, 0, "15.24", "15.24 n"])
@pytest.mark.parametrize("field", PHYSICAL)
def test_a_number_with_a_dimension_needs_a_unit_in_a_file(tmp_path, field, value):
    with pytest.raises(TestbenchError) as error:
        load_design(written(tmp_path, **{field: value}))
    (problem,) = [one for one in error.value.problems if "with a unit" in one.reason]
    assert problem.field == field.replace("__", ".").removesuffix(".value") + ".value"
    assert PHYSICAL[field] in problem.reason


def test_all_fields_with_a_dimension_are_tried():
    """Every other number of a design is a count, a share, or has its unit in its name."""
    kinds = (Watts, Joules, SquareMillimeters, Seconds, Hertz, BytesPerSecond)
    sections = (WeightEncoding, Organization, ZeroSkipping, Timing, Traffic, Component, PublishedTotals, Design)
    found = {
        name
        for section in sections
        for name, info in section.model_fields.items()
        if any(kind in get_args(info.annotation) for kind in kinds)
    }
    assert found == {field.removesuffix("__value").rpartition("__")[2] for field in PHYSICAL}


@pytest.mark.parametrize(
    ("source", "said"),
    [("", "must be a text of one line of 1000 characters at most (given: '')"), (5, "must be a text")],
)
def test_what_is_wrong_with_the_source_of_a_section_is_said_once(tmp_path, source, said):
    with pytest.raises(TestbenchError) as error:
        load_design(written(tmp_path, components__unit__ADC__published=source))
    (problem,) = error.value.problems
    assert problem.field == "components.unit.ADC.published"
    assert said in str(problem)


def test_numbers_from_python_are_in_si_units():
    slow = load_design("isaac").changed(timing={"cycle": {"value": 2e-7, "assumed": "a test"}})
    assert slow.times.cycle.value == 2e-7
    assert Design.from_dict(slow.model_dump(exclude_none=True)) == slow


def test_converters_of_published_designs_keep_up():
    """Of columns read one after the other, as in frequency weighting, one is converted in a cycle."""
    loads = {name: load_design(name).converter_load for name in design_names()}
    assert loads["isaac"] == pytest.approx(8 * 128 / (8 * 1.2e9 * 100e-9))
    assert loads["frequency_weighting"] == pytest.approx(8 / (8 * 16.59e6 * 60.27e-9))
    assert loads["dadiannao"] is loads["prime"] is None
    assert all(load is None or 0.9 < load < 1.1 for load in loads.values())


@pytest.mark.parametrize(
    ("design", "said"),
    [
        ("isac", "unknown design 'isac'; known are dadiannao, .*did you mean 'isaac'"),
        ("missing.yaml", "missing.yaml cannot be read"),
        ("../designs/isaac", "unknown design"),
    ],
)
def test_an_unknown_design_is_an_input_error(design, said):
    with pytest.raises(InputError, match=said):
        load_design(design)


def test_a_class_of_a_design_says_what_is_wrong_too():
    with pytest.raises(TestbenchError, match="components: is required"):
        Design(name="x", title="x", source="x", technology="x")


@pytest.mark.parametrize("text", ["a: [", "a: 1\na: 2"])
def test_a_file_that_is_no_yaml_is_refused(tmp_path, text):
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(TestbenchError, match=r"own\.yaml"):
        load_design(tmp_path / "own.yaml")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "; it is empty"),
        ("# nothing yet", "; it is empty"),
        ("[a, b]", " (given: ['a', 'b'])"),
        ("text", " (given: 'text')"),
        ("true", " (given: True)"),
    ],
)
def test_a_file_that_is_no_section_is_refused_with_the_keys_of_one(tmp_path, text, found):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    for load, keys in ((load_design, "name, title, source, technology, components"), (load_network, "name, layers")):
        with pytest.raises(TestbenchError) as error:
            load(path)
        assert str(error.value) == f"{path}: must be a section with the keys {keys}{found}"
