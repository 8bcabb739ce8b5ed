"""A design of an accelerator: its components, their organization, its encoding and timing, from a YAML file."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator

from spicecim.accelerator.cycles import ExponentialInputs, wrong_shares
from spicecim.accelerator.output_by_output import OutputByOutput
from spicecim.accelerator.sourced import (
    FROM_FILE,
    Bits,
    BytesPerSecond,
    Hertz,
    Joules,
    Number,
    Seconds,
    Share,
    Shares,
    SourcedSection,
    SquareMillimeters,
    Text,
    Watts,
    Whole,
)
from spicecim.encodings import ENCODINGS
from spicecim.encodings.bit_sliced.encoding import BitSliced
from spicecim.errors import InputError, Problem, TestbenchError
from spicecim.fields import FloatArray, Section
from spicecim.outside import read_text
from spicecim.problems import FieldError, did_you_mean, problems_from
from spicecim.quantities import format_quantity, shown
from spicecim.resources import resource_folder
from spicecim.yaml_text import parse_yaml


def _check_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_ +/-]{0,59}", name):
        raise ValueError("must be 60 letters, digits, spaces, _, +, / or - at most, the first a letter or a digit")
    return name


Name = Annotated[str, AfterValidator(_check_name)]

Level = Literal["unit", "tile", "chip"]
LEVELS: tuple[Level, ...] = ("unit", "tile", "chip")
"""Where components are, from the smallest part up: a unit is a group of crossbars, an IMA in ISAAC, an MCU in FORMS."""


MOST_CONVERTER_LOAD = 1.1
"""Largest time of a cycle's conversions over the cycle. That of ISAAC is 1.07: it rounds 1.28 GS/s to 1.2."""


class WeightEncoding(SourcedSection):
    """How weights and inputs are held and read."""

    scheme: Literal["polarized", "dual_crossbar", "offset", "frequency_weighting"] = Field(
        description="where signs go, or frequency weighting"
    )
    rows: Whole = Field(description="rows of a crossbar")
    columns: Whole = Field(description="columns of a crossbar")
    cell_bits: Whole = Field(description="bits of a cell")
    weight_bits: Whole = Field(description="bits of a weight")
    input_bits: Whole = Field(
        description="bits of an input: read one after the other, or held by the amplitude in frequency weighting"
    )
    fragment: Whole | None = Field(default=None, description="rows that are read at once; all if left out")

    @model_validator(mode="after")
    def _check_scheme(self) -> WeightEncoding:
        try:
            self.built()
        except TestbenchError as error:
            problem = error.problems[0]
            given = f" (given: {problem.value})" if problem.value else ""
            raise FieldError(problem.field, f"{problem.reason}{given}") from None
        if self.scheme == "frequency_weighting":
            if self.fragment is not None:
                raise FieldError("fragment", "must be left out in frequency_weighting, which reads all rows at once")
            if self.cell_bits.value != self.weight_bits.value:
                raise FieldError(
                    "cell_bits", "must be weight_bits in frequency_weighting, which holds a weight in a cell"
                )
        return self

    def built(self) -> BitSliced | OutputByOutput:
        """Return what cuts layers into crossbars."""
        if self.scheme == "frequency_weighting":
            return OutputByOutput(self.rows.value, self.columns.value, self.weight_bits.value)
        settings = {"fragment": None, **{name: number.value for name, number in self.numbers.items()}}
        return _built(ENCODINGS[self.scheme], tuple(settings.items()))


@functools.lru_cache(maxsize=64)
def _built(scheme: Any, settings: tuple[tuple[str, int | None], ...]) -> BitSliced:
    """Build an encoding, once for all layers of a network."""
    built: BitSliced = scheme(**dict(settings))
    return built


class Organization(SourcedSection):
    """How many of each part there are."""

    crossbars_per_unit: Whole
    units_per_tile: Whole
    tiles_per_chip: Whole

    @property
    def crossbars(self) -> int:
        """Crossbars of a chip."""
        return self.crossbars_per_unit.value * self.units_per_tile.value * self.tiles_per_chip.value

    def parts(self, level: Level) -> int:
        """Units, tiles or chips on a chip."""
        tiles = self.tiles_per_chip.value
        return {"unit": self.units_per_tile.value * tiles, "tile": tiles, "chip": 1}[level]


class ZeroSkipping(SourcedSection):
    """Input cycles where the leading zeros that a fragment's inputs share are skipped."""

    shares: Shares | None = Field(default=None, description="shares of fragments that need 0, 1, ... cycles")
    zero_inputs: Share | None = Field(default=None, description="share of inputs that are zero")
    mean_input: Share | None = Field(default=None, description="mean of the others, of full scale, exponential")

    @model_validator(mode="after")
    def _check_one_form(self) -> ZeroSkipping:
        inputs = (self.zero_inputs, self.mean_input)
        if (self.shares is None) == (None in inputs) or (self.shares is not None and inputs != (None, None)):
            raise ValueError("must have either shares, or zero_inputs and mean_input")
        if self.mean_input is not None and self.mean_input.value == 0:
            raise FieldError("mean_input", "must be above 0")
        return self


class Timing(SourcedSection):
    """Times, and how layers follow each other."""

    cycle: Seconds | None = Field(default=None, description="time to read one fragment's rows for one bit of the input")
    pipeline_stages: Whole | None = Field(default=None, description="cycles from an input to an output of a layer")
    replication: Literal["last_to_first", "none"] = Field(
        default="last_to_first", description="copies of layers: as ISAAC, or one each"
    )
    zero_skipping: ZeroSkipping | None = None


class Traffic(SourcedSection):
    """What inputs and outputs are moved by, where that limits the frames."""

    tile_bus: BytesPerSecond | None = Field(default=None, description="between the buffer of a tile and its units")
    chip_links: BytesPerSecond | None = Field(default=None, description="all links of a chip to the next together")


class Component(SourcedSection):
    """A component, with the power and area of all of its kind in a unit, a tile or a chip."""

    kind: Literal["converter", "crossbar", "other"] = "other"
    count: Whole | None = Field(default=None, description="how many there are")
    bits: Bits | None = Field(default=None, description="resolution of a converter")
    rate: Hertz | None = Field(default=None, description="events per second of one")
    power: Watts | None = Field(default=None, description="of all together, at full rate")
    energy: Joules | None = Field(default=None, description="of one event, in place of the power")
    area: SquareMillimeters | None = Field(default=None, description="of all together")
    share: Share | None = Field(default=None, description="share that falls to this part; 1 if left out")
    active: Literal["reading", "always"] = Field(default="reading", description="when it takes its power")

    @model_validator(mode="after")
    def _check_energy(self) -> Component:
        if self.energy is not None and (self.power is not None or None in (self.rate, self.count)):
            raise FieldError("energy", "needs count and rate, and stands in place of power")
        if self.kind == "converter" and None in (self.count, self.bits, self.rate):
            raise FieldError("kind", "a converter needs count, bits and rate")
        return self

    @property
    def power_w(self) -> float | None:
        """Power of the part that falls to a unit, a tile or a chip (W), None if it is not known."""
        if self.energy is not None and self.count is not None and self.rate is not None:
            return self._share * self.energy.value * self.count.value * self.rate.value
        return None if self.power is None else self._share * self.power.value

    @property
    def area_mm2(self) -> float | None:
        """Area of that part (mm2), None if it is not known."""
        return None if self.area is None else self._share * self.area.value

    @property
    def energy_per_event(self) -> float | None:
        """Energy of one event (J): the power over count and rate, None if one of them is not known."""
        if self.power is None or self.rate is None or self.count is None:
            return None if self.energy is None else self.energy.value
        return float(self.power.value / (self.count.value * self.rate.value))

    @property
    def provenance(self) -> str:
        """The least sure source among those of its numbers."""
        order = ("published", "derived", "estimated", "assumed")
        return max((number.provenance for number in self.numbers.values()), key=order.index, default="published")

    @property
    def _share(self) -> float:
        return 1.0 if self.share is None else self.share.value


class Components(Section):
    """Components by level and name."""

    unit: dict[Name, Component] = Field(default_factory=dict)
    tile: dict[Name, Component] = Field(default_factory=dict)
    chip: dict[Name, Component] = Field(default_factory=dict)

    def level(self, level: Level) -> dict[str, Component]:
        """Return the components of a level."""
        found: dict[str, Component] = getattr(self, level)
        return found


class PublishedTotals(SourcedSection):
    """What the publication gives for the whole chip, to stand beside what follows from the components."""

    power: Watts | None = None
    area: SquareMillimeters | None = None
    peak_tops: Number | None = None
    gops_per_watt: Number | None = None
    gops_per_mm2: Number | None = None


class Design(Section):
    """A design of an accelerator.

    Either it has crossbars (`encoding`, `organization`, `timing`), onto which networks are mapped, or it is a fixed
    reference with a peak rate (`peak_tops`).

    Raises
    ------
    TestbenchError
        If anything in it is not valid, with the name of each field.
    """

    name: Name
    title: Text
    source: Text
    technology: Text
    pruned: bool = Field(default=False, description="whether networks are pruned before they are mapped")
    encoding: WeightEncoding | None = None
    organization: Organization | None = None
    timing: Timing | None = None
    traffic: Traffic | None = None
    components: Components
    peak_tops: Number | None = Field(default=None, description="peak rate of a design without crossbars (TOPS)")
    published: PublishedTotals = Field(default_factory=lambda: PublishedTotals())

    @field_validator("components")
    @classmethod
    def _check_components(cls, components: Components) -> Components:
        if not any(components.level(level) for level in LEVELS):
            raise ValueError("must have a component")
        for kind in ("converter", "crossbar"):
            if sum(component.kind == kind for component in components.unit.values()) > 1:
                raise FieldError("unit", f"must have one component of kind {kind} at most")
            for level in LEVELS[1:]:
                if any(component.kind == kind for component in components.level(level).values()):
                    raise FieldError(level, f"must have no component of kind {kind}: they belong to a unit")
        return components

    @model_validator(mode="after")
    def _check_kind(self) -> Design:
        sections = {"encoding": self.encoding, "organization": self.organization, "timing": self.timing}
        missing = [name for name, section in sections.items() if section is None]
        if self.peak_tops is None:
            if missing:
                raise FieldError(missing[0], "is required, unless peak_tops is given")
            self._check_skipping()
            self._check_counts()
        elif len(missing) < len(sections):
            raise FieldError("peak_tops", "follows from encoding, organization and timing; give one or the other")
        elif self.traffic is not None:
            raise FieldError("traffic", "needs an organization, which a fixed reference has none of")
        elif self.components.unit or self.components.tile:
            raise FieldError("components", "without an organization, all components are the chip's")
        return self

    def _check_skipping(self) -> None:
        skipping = self.times.zero_skipping
        if skipping is not None and not isinstance(self.crossbars, BitSliced):
            raise FieldError("timing.zero_skipping", "must be left out where bits are not read one after the other")
        shares = self.skipping_shares()
        if shares is not None:
            wrong = wrong_shares(shares, self.bits_in_turn)
            if wrong:
                given = skipping is not None and skipping.shares is not None
                raise FieldError(f"timing.zero_skipping{'.shares' if given else ''}", wrong)

    def _check_counts(self) -> None:
        """Check that counts of components fit the organization and the cycle."""
        unit, crossbars = self.components.unit, self.parts.crossbars_per_unit.value
        name = self.unit_part("crossbar")
        count = None if name is None else unit[name].count
        if count is not None and count.value != crossbars:
            raise FieldError(
                f"components.unit.{name}.count",
                f"must be that of organization.crossbars_per_unit, {crossbars} (given: {count.value})",
            )
        part, cycle, load = self.converter, self.times.cycle, self.converter_load
        if load is None or load <= MOST_CONVERTER_LOAD:
            return
        assert part is not None
        assert part.count is not None
        assert part.rate is not None
        assert cycle is not None
        raise FieldError(
            "timing.cycle",
            f"must be {format_quantity(cycle.value * load / MOST_CONVERTER_LOAD, 's')} at least, or there must be more "
            f"or faster converters: conversions may take {MOST_CONVERTER_LOAD:g} times the cycle at most, and "
            f"{part.count.value} of {format_quantity(part.rate.value, 'Hz')} "
            f"(components.unit.{self.unit_part('converter')}) take {format_quantity(cycle.value * load, 's')} for "
            f"{crossbars} crossbars with {self.columns_at_once} conversions each "
            f"(given: {format_quantity(cycle.value, 's')})",
        )

    @property
    def has_crossbars(self) -> bool:
        """Whether networks can be mapped onto it."""
        return self.encoding is not None

    @property
    def crossbars(self) -> BitSliced | OutputByOutput:
        """What cuts layers into its crossbars."""
        if self.encoding is None:
            raise InputError(f"{self.name} is a fixed reference: it has no crossbars that a network could be mapped to")
        return self.encoding.built()

    @property
    def bits_in_turn(self) -> int:
        """Bits of an input that are read one after the other: one read where the amplitude holds all of them."""
        scheme = self.crossbars
        return scheme.input_bits if isinstance(scheme, BitSliced) else 1

    @property
    def columns_at_once(self) -> int:
        """Columns of a crossbar that are converted in a cycle: one where outputs are read one after the other."""
        scheme = self.crossbars
        return scheme.columns if isinstance(scheme, BitSliced) else 1

    @property
    def converter_load(self) -> float | None:
        """Time that the converters of a unit take for the conversions of a cycle, over the cycle; None if not known."""
        part, cycle = self.converter, None if self.timing is None else self.timing.cycle
        if part is None or part.count is None or part.rate is None or cycle is None:
            return None
        conversions = self.columns_at_once * self.parts.crossbars_per_unit.value
        return float(conversions / (part.count.value * part.rate.value * cycle.value))

    @property
    def parts(self) -> Organization:
        """Its organization."""
        if self.organization is None:
            raise InputError(f"{self.name} is a fixed reference: it has no tiles")
        return self.organization

    @property
    def times(self) -> Timing:
        """Its timing."""
        if self.timing is None:
            raise InputError(f"{self.name} is a fixed reference: it has no timing of its own")
        return self.timing

    @property
    def converter(self) -> Component | None:
        """Converters of a unit."""
        name = self.unit_part("converter")
        return None if name is None else self.components.unit[name]

    def unit_part(self, kind: Literal["converter", "crossbar"]) -> str | None:
        """Name of the component of a kind in a unit, None if there is none."""
        return next((name for name, part in self.components.unit.items() if part.kind == kind), None)

    def skipping_shares(self) -> FloatArray | None:
        """Shares of the fragments that need 0 to `input_bits` cycles, None where no zeros are skipped."""
        skipping = None if self.timing is None else self.timing.zero_skipping
        if skipping is None:
            return None
        if skipping.shares is not None:
            return np.asarray(skipping.shares.value, dtype=float)
        assert skipping.zero_inputs is not None
        assert skipping.mean_input is not None
        scheme = self.crossbars
        assert isinstance(scheme, BitSliced)
        inputs = ExponentialInputs(skipping.zero_inputs.value, skipping.mean_input.value, scheme.input_bits)
        return inputs.fragment_shares(scheme.fragment_rows)

    def changed(self, **changes: Any) -> Design:
        """Return the design with other values in nested sections, such as ``timing={"zero_skipping": None}``.

        Raises
        ------
        TestbenchError
            If a field does not take its value.
        """
        return Design.from_dict(_merged(self.model_dump(exclude_none=True), changes), source=self.name)

    @classmethod
    def from_dict(cls, values: Any, *, source: str = "design") -> Design:
        """Build a design from plain values; numbers are in SI units, areas in mm2."""
        return cls._validated(values, source)

    @classmethod
    def from_yaml(cls, path: str | Path) -> Design:
        """Read a design from a YAML file, in which a number with a dimension has its unit."""
        return cls._validated(read_yaml(path, "design"), str(path), FROM_FILE)

    @classmethod
    def _validated(cls, values: Any, source: str, context: Mapping[str, Any] | None = None) -> Design:
        try:
            return cls.model_validate(values, context=context)
        except ValidationError as error:
            raise TestbenchError(problems_from(error, cls), source) from None


def read_yaml(path: str | Path, what: str) -> Any:
    """Return the values of a YAML file; raises `TestbenchError` that names the file."""
    try:
        return parse_yaml(read_text(path, "DESIGN_BYTES"))
    except InputError as error:
        raise TestbenchError([Problem("", "", str(error))], f"{what} {path}") from None


def is_yaml_file(given: Any, what: str, known: Sequence[str]) -> bool:
    """Whether a YAML file is given, and not one of the known names; raises `InputError` if it is neither."""
    if re.search(r"\.ya?ml$", str(given)):
        return True
    if str(given) not in known:
        raise InputError(
            f"unknown {what} {shown(str(given))}; known are {', '.join(known)}, or give a file that ends in .yaml"
            f"{did_you_mean(str(given), known)}"
        )
    return False


def design_names() -> list[str]:
    """Names of the designs that spicecim comes with."""
    return sorted(path.stem for path in resource_folder("designs").glob("*.yaml"))


def load_design(design: str | Path | Design) -> Design:
    """Return a design by its name, or from a YAML file.

    Parameters
    ----------
    design
        One of `design_names`, or the path of a file that ends in ``.yaml`` or ``.yml``.

    Raises
    ------
    InputError
        If there is no such design.
    TestbenchError
        If the file is no valid design.

    Examples
    --------
    >>> load_design("isaac").parts.crossbars
    16128
    """
    if isinstance(design, Design):
        return design
    if is_yaml_file(design, "design", design_names()):
        return Design.from_yaml(design)
    return Design.from_yaml(resource_folder("designs") / f"{design}.yaml")


def _merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for name, change in changes.items():
        if change is None:
            merged.pop(name, None)
        elif isinstance(change, dict) and isinstance(merged.get(name), dict) and "value" not in change:
            merged[name] = _merged(merged[name], change)
        else:
            merged[name] = change
    return merged
