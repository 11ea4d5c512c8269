"""English names of units, and what they are worth."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Unit:
    one: str
    many: str
    kind: str
    factor: Decimal
    """In the kind's base unit."""
    offset: Decimal = Decimal(0)
    """Added before the factor is applied: temperatures."""


def _unit(kind: str, factor: str, one: str, many: str, *others: str, offset: str = "0") -> list[tuple[str, Unit]]:
    unit = Unit(one, many, kind, Decimal(factor), Decimal(offset))
    return [(name, unit) for name in (one, many, *others)]


_FIVE_NINTHS = str(Decimal(5) / Decimal(9))
_ALL: list[tuple[str, Unit]] = [
    *_unit("length", "0.001", "millimetre", "millimetres", "millimeter", "millimeters", "mm"),
    *_unit("length", "0.01", "centimetre", "centimetres", "centimeter", "centimeters", "cm"),
    *_unit("length", "1", "metre", "metres", "meter", "meters", "m"),
    *_unit("length", "1000", "kilometre", "kilometres", "kilometer", "kilometers", "km", "kms", "k"),
    *_unit("length", "0.0254", "inch", "inches"),
    *_unit("length", "0.3048", "foot", "feet", "ft"),
    *_unit("length", "0.9144", "yard", "yards"),
    *_unit("length", "1609.344", "mile", "miles"),
    *_unit("length", "1852", "nautical mile", "nautical miles"),
    *_unit("mass", "0.000001", "milligram", "milligrams", "mg"),
    *_unit("mass", "0.001", "gram", "grams", "gramme", "grammes", "g"),
    *_unit("mass", "1", "kilogram", "kilograms", "kilo", "kilos", "kg", "kgs"),
    *_unit("mass", "1000", "tonne", "tonnes", "metric ton", "metric tons"),
    *_unit("mass", "0.028349523125", "ounce", "ounces", "oz"),
    *_unit("mass", "0.45359237", "pound", "pounds", "lb", "lbs"),
    *_unit("mass", "6.35029318", "stone", "stones"),
    *_unit("volume", "0.001", "millilitre", "millilitres", "milliliter", "milliliters", "ml"),
    *_unit("volume", "0.01", "centilitre", "centilitres", "centiliter", "centiliters", "cl"),
    *_unit("volume", "0.1", "decilitre", "decilitres", "deciliter", "deciliters", "dl"),
    *_unit("volume", "1", "litre", "litres", "liter", "liters", "l"),
    *_unit("volume", "0.00492892159375", "teaspoon", "teaspoons", "tsp"),
    *_unit("volume", "0.01478676478125", "tablespoon", "tablespoons", "tbsp"),
    *_unit("volume", "0.0295735295625", "fluid ounce", "fluid ounces", "fl oz"),
    *_unit("volume", "0.2365882365", "cup", "cups"),
    *_unit("volume", "0.473176473", "pint", "pints", "us pint", "us pints"),
    *_unit("volume", "0.946352946", "quart", "quarts"),
    *_unit("volume", "3.785411784", "gallon", "gallons", "us gallon", "us gallons"),
    *_unit("volume", "0.56826125", "imperial pint", "imperial pints", "british pint", "british pints"),
    *_unit("volume", "4.54609", "imperial gallon", "imperial gallons", "british gallon", "british gallons"),
    *_unit("temperature", "1", "degree Celsius", "degrees Celsius", "degrees celsius", "degree celsius", "celsius",
           "degrees centigrade", "centigrade", "c", "degrees c", offset="273.15"),
    *_unit("temperature", _FIVE_NINTHS, "degree Fahrenheit", "degrees Fahrenheit", "degrees fahrenheit",
           "degree fahrenheit", "fahrenheit", "f", "degrees f", offset="459.67"),
    *_unit("temperature", "1", "kelvin", "kelvin", "kelvins", "degrees kelvin"),
    *_unit("time", "0.001", "millisecond", "milliseconds"),
    *_unit("time", "1", "second", "seconds"),
    *_unit("time", "60", "minute", "minutes"),
    *_unit("time", "3600", "hour", "hours"),
    *_unit("time", "86400", "day", "days"),
    *_unit("time", "604800", "week", "weeks"),
    *_unit("speed", "1", "metre per second", "metres per second", "meters per second", "meter per second"),
    *_unit("speed", str(Decimal(1000) / 3600), "kilometre per hour", "kilometres per hour", "kilometers per hour",
           "kilometer per hour", "kmh", "kph"),
    *_unit("speed", "0.44704", "mile per hour", "miles per hour", "mph"),
    *_unit("speed", str(Decimal(1852) / 3600), "knot", "knots"),
    *_unit("area", "1", "square metre", "square metres", "square meter", "square meters"),
    *_unit("area", "0.09290304", "square foot", "square feet"),
    *_unit("area", "10000", "hectare", "hectares"),
    *_unit("area", "4046.8564224", "acre", "acres"),
    *_unit("area", "1000000", "square kilometre", "square kilometres", "square kilometer", "square kilometers"),
    *_unit("area", "2589988.110336", "square mile", "square miles"),
    *_unit("data", "1", "byte", "bytes"),
    *_unit("data", "1000", "kilobyte", "kilobytes", "kb"),
    *_unit("data", "1000000", "megabyte", "megabytes", "mb"),
    *_unit("data", "1000000000", "gigabyte", "gigabytes", "gb"),
    *_unit("data", "1000000000000", "terabyte", "terabytes", "tb"),
]  # fmt: skip
UNITS: dict[str, Unit] = dict(_ALL)
"""By every name, tidied."""
_FLUID = {"ounce": "fluid ounce", "ounces": "fluid ounces", "oz": "fl oz"}


def read_unit(text: str, beside: str = "") -> str | None:
    """The name of a unit as it is kept; `beside`: the other one, since ounces are of mass, or fluid beside a cup."""
    text = text.removeprefix("a ").removeprefix("an ").removeprefix("1 ")
    other = UNITS.get(beside.removeprefix("a ").removeprefix("an ").removeprefix("1 "))
    if text in _FLUID and other is not None and other.kind == "volume":
        text = _FLUID[text]
    unit = UNITS.get(text)
    return unit.one.lower() if unit is not None else None


def convert(amount: Decimal, source: str, target: str) -> Decimal | None:
    """None: one of them has nothing to do with the other."""
    left, right = UNITS[source], UNITS[target]
    if left.kind != right.kind:
        return None
    return (amount + left.offset) * left.factor / right.factor - right.offset
