"""What numbers stand with, language by language: decimal marks, units, money, months."""

from __future__ import annotations

from dataclasses import dataclass, field

Forms = tuple[str, str]
"""For one, and for several."""


@dataclass(frozen=True, slots=True)
class Tongue:
    """What is empty is left as it is written: the voice's own reading stands."""

    thousands: str
    """Between groups of three digits, a class of a regular expression."""
    decimal: str
    """The mark itself."""
    point: str
    """How it is said."""
    minus: str
    to: str
    """Between the ends of a range."""
    dot: str
    at: str
    """In addresses."""
    percent: str
    units: dict[str, Forms] = field(default_factory=dict)
    money: dict[str, tuple[str, str, str, str]] = field(default_factory=dict)
    """One and several; a hundredth and several."""
    months: tuple[str, ...] = ()
    signs: dict[str, str] = field(default_factory=dict)
    scales: str = ""
    """Words for large numbers that may stand between a number and its money, as alternatives."""


def _metric(units: dict[str, Forms], per: str, per_hour: str) -> dict[str, Forms]:
    """With the usual speeds."""
    hour = {"km/h": (f"{units['km'][0]} {per_hour}", f"{units['km'][1]} {per_hour}")}
    second = {"m/s": (f"{units['m'][0]} {per} {units['s'][0]}", f"{units['m'][1]} {per} {units['s'][0]}")}
    return units | hour | second


def _same(**units: str) -> dict[str, Forms]:
    """Units whose several are called as the one."""
    return {symbol.replace("_", "/"): (name, name) for symbol, name in units.items()}


def _s(**units: str) -> dict[str, Forms]:
    return {symbol: (name, f"{name}s") for symbol, name in units.items()}


_EN_UNITS = (
    _s(
        km="kilometre", cm="centimetre", mm="millimetre", kg="kilogram", g="gram", mg="milligram", ml="millilitre",
        mL="millilitre", l="litre", L="litre", h="hour", hr="hour", hrs="hour", min="minute", s="second", sec="second",
        ms="millisecond", kB="kilobyte", KB="kilobyte", MB="megabyte", GB="gigabyte", TB="terabyte", W="watt",
        kW="kilowatt", kWh="kilowatt hour", V="volt", mA="milliamp", mi="mile", yd="yard", lb="pound", lbs="pound",
        oz="ounce", m="metre",
    )
    | _same(Hz="hertz", kHz="kilohertz", MHz="megahertz", GHz="gigahertz", hPa="hectopascal", dB="decibel", K="kelvin")
    | {
        "ft": ("foot", "feet"), "mph": ("mile per hour", "miles per hour"), "m²": ("square metre", "square metres"),
        "km²": ("square kilometre", "square kilometres"), "m³": ("cubic metre", "cubic metres"),
        "°C": ("degree Celsius", "degrees Celsius"), "°F": ("degree Fahrenheit", "degrees Fahrenheit"),
        "℃": ("degree Celsius", "degrees Celsius"), "℉": ("degree Fahrenheit", "degrees Fahrenheit"),
        "°": ("degree", "degrees"), "µm": ("micrometre", "micrometres"), "Mbit/s": ("megabit", "megabits per second"),
        "MB/s": ("megabyte per second", "megabytes per second"), "Mbps": ("megabit", "megabits per second"),
    }
)  # fmt: skip
_DE_UNITS = (
    _same(
        km="Kilometer", m="Meter", cm="Zentimeter", mm="Millimeter", kg="Kilogramm", g="Gramm", mg="Milligramm",
        l="Liter", ml="Milliliter", kB="Kilobyte", MB="Megabyte", GB="Gigabyte", TB="Terabyte", W="Watt", kW="Kilowatt",
        kWh="Kilowattstunden", V="Volt", Hz="Hertz", kHz="Kilohertz", MHz="Megahertz", GHz="Gigahertz", dB="Dezibel",
    )
    | {
        "h": ("Stunde", "Stunden"), "min": ("Minute", "Minuten"), "s": ("Sekunde", "Sekunden"),
        "ms": ("Millisekunde", "Millisekunden"), "°C": ("Grad Celsius", "Grad Celsius"), "°": ("Grad", "Grad"),
        "m²": ("Quadratmeter", "Quadratmeter"), "m³": ("Kubikmeter", "Kubikmeter"),
    }
)  # fmt: skip

TONGUES = {
    "en": Tongue(
        thousands=",",
        decimal=".",
        point="point",
        minus="minus",
        to="to",
        dot="dot",
        at="at",
        percent="percent",
        units=_metric(_EN_UNITS, "per", "per hour"),
        money={
            "$": ("dollar", "dollars", "cent", "cents"), "US$": ("dollar", "dollars", "cent", "cents"),
            "USD": ("dollar", "dollars", "cent", "cents"), "€": ("euro", "euros", "cent", "cents"),
            "EUR": ("euro", "euros", "cent", "cents"), "£": ("pound", "pounds", "penny", "pence"),
            "GBP": ("pound", "pounds", "penny", "pence"), "¥": ("yen", "yen", "", ""), "JPY": ("yen", "yen", "", ""),
            "₹": ("rupee", "rupees", "paisa", "paise"), "CHF": ("franc", "francs", "centime", "centimes"),
        },
        months=(
            "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
            "November", "December",
        ),
        signs={"&": "and", "≈": "about", "≤": "at most", "≥": "at least", "≠": "is not", "±": "plus or minus",
               "→": "to", "×": "times", "÷": "divided by", "№": "number", "™": "", "®": "", "©": "copyright"},
        scales="thousand|million|billion|trillion",
    ),
    "de": Tongue(
        thousands=".",
        decimal=",",
        point="Komma",
        minus="minus",
        to="bis",
        dot="Punkt",
        at="ät",
        percent="Prozent",
        units=_metric(_DE_UNITS, "pro", "pro Stunde"),
        money={
            "€": ("Euro", "Euro", "Cent", "Cent"), "EUR": ("Euro", "Euro", "Cent", "Cent"),
            "$": ("Dollar", "Dollar", "Cent", "Cent"), "USD": ("Dollar", "Dollar", "Cent", "Cent"),
            "£": ("Pfund", "Pfund", "Penny", "Pence"), "CHF": ("Franken", "Franken", "Rappen", "Rappen"),
        },
        months=(
            "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November",
            "Dezember",
        ),
        signs={"&": "und", "≈": "ungefähr", "≤": "höchstens", "≥": "mindestens", "±": "plus minus", "→": "zu",
               "×": "mal", "÷": "durch"},
        scales="Tausend|Millionen|Million|Milliarden|Milliarde",
    ),
    "fr": Tongue(
        thousands="\u00a0\u202f", decimal=",", point="virgule", minus="moins", to="à", dot="point", at="arobase",
        percent="pour cent",
        units={"km/h": ("kilomètre heure", "kilomètres heure"), "°C": ("degré", "degrés"),
               "km": ("kilomètre", "kilomètres"), "kg": ("kilo", "kilos"), "cm": ("centimètre", "centimètres")},
        money={"€": ("euro", "euros", "centime", "centimes"), "$": ("dollar", "dollars", "cent", "cents")},
        months=("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre",
                "novembre", "décembre"),
        signs={"&": "et"},
        scales="millions|million|milliards|milliard",
    ),
    "es": Tongue(
        thousands=".", decimal=",", point="coma", minus="menos", to="a", dot="punto", at="arroba",
        percent="por ciento",
        units={"km/h": ("kilómetro por hora", "kilómetros por hora"), "°C": ("grado", "grados"),
               "km": ("kilómetro", "kilómetros"), "kg": ("kilo", "kilos"), "cm": ("centímetro", "centímetros")},
        money={"€": ("euro", "euros", "céntimo", "céntimos"), "$": ("dólar", "dólares", "centavo", "centavos")},
        months=("enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
                "noviembre", "diciembre"),
        signs={"&": "y"},
        scales="millones|millón",
    ),
}  # fmt: skip
"""By ISO 639-1."""
