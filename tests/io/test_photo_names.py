"""The order of names."""

from __future__ import annotations

from splatpose.io.photo_names import natural_key


def test_natural_key_orders_any_names() -> None:
    names = ["a10", "a9", "a", "A09", "10", "9", "a9b", "x/2", "x/10", "x 1/1", "ä1"]
    ordered = sorted(names, key=natural_key)
    assert ordered.index("a9") < ordered.index("a10")
    assert sorted(["a 2.jpg", "a.jpg", "a (1).jpg"], key=natural_key)[0] == "a.jpg"
    assert ordered.index("9") < ordered.index("10")
    assert ordered.index("x/2") < ordered.index("x/10")
    names.reverse()
    assert sorted(names, key=natural_key) == ordered


def test_natural_key_takes_any_digits() -> None:
    """`isdigit` is true of digits that `int` refuses, and `int` refuses very long numbers."""
    names = ["m²", "m①", "m２", "m٣", "m" + "9" * 5000, "m10", "m9", "m007", "m7", "", ".", "/"]
    ordered = sorted(names, key=natural_key)
    assert [name for name in ordered if name in ("m7", "m007", "m9", "m10")][2:] == ["m9", "m10"]
    assert ordered.index("m10") < ordered.index("m" + "9" * 5000) < ordered.index("m²")
