"""Quantities in words: bytes and seconds in a fitting unit, large numbers as powers of ten."""

import math
from collections.abc import Sequence

Units = Sequence[tuple[float, str]]

BYTES: Units = ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))
SECONDS: Units = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
LONG_TIMES: Units = ((365.25 * 86400, "years"), (86400.0, "days"), (3600.0, "hours"), (60.0, "min"), *SECONDS)
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def in_unit(value: float, units: Units, digits: int = 3) -> str:
    """Return a quantity in the largest unit of which it is 1 or more.

    >>> in_unit(2_560_000, BYTES), in_unit(0.0134, SECONDS, digits=2)
    ('2.56 MB', '13 ms')
    """
    size, name = next((each for each in units if value >= (1 - 1e-4) * each[0]), units[-1])
    return f"{plain(value / size, digits)} {name}"


def plain(value: float, digits: int = 2) -> str:
    """Return a number with so many digits, and never as 2.1e+02.

    >>> plain(213.4), plain(2.134), plain(41234.5)
    ('210', '2.1', '41,000')
    """
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 10 ** (digits - 1) else f"{rounded:g}"


def signed(value: float, places: int = 0) -> str:
    """Return a change with its sign, a true minus; none has no sign.

    >>> signed(2.6), signed(-1.26, 1), signed(-0.04, 1)
    ('+3', '−1.3', '0.0')
    """
    rounded = round(value, places) or 0.0
    return f"{rounded:{'+' if rounded else ''}.{places}f}".replace("-", "−")


def power(value: float) -> str:
    """Return a number above 0 as a power of ten with two digits, in letters that need no mathematics.

    >>> power(3e11), power(1e5), power(1.24e-7)
    ('3·10¹¹', '10⁵', '1.2·10⁻⁷')
    """
    exponent = math.floor(math.log10(value) + 1e-9)
    first = f"{value / 10.0**exponent:.2g}"
    if first == "10":  # 9.99 in two digits
        first, exponent = "1", exponent + 1
    return ("" if first == "1" else f"{first}·") + "10" + str(exponent).translate(_SUPERSCRIPT)
