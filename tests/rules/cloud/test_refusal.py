"""One line says all that a cloud cannot, and holds the flags that accept it."""

from __future__ import annotations

from rules.cloud.refusal import refusal


def test_both_kinds_are_one_line_with_the_flags_of_both() -> None:
    said = refusal(
        "Clouds",
        {"a": "no word", "b": "no word"},
        {
            "c": "icmp type 3 becomes every type; icmp type 11 becomes every type",
            "d": "x becomes y",
        },
    )
    assert said == (
        "Clouds cannot carry a, b (no word), and cannot say exactly: "
        "c (icmp type 3, 11 become every type); d (x becomes y); accept it with "
        "--leave-out a,b --allow-widening c,d, or do without a flow by --leave-out"
    )


def test_of_different_subjects_each_is_written_out() -> None:
    said = refusal("Clouds", {}, {"c": "icmp type 3 becomes more; tcp to pods becomes more"})
    assert "c (icmp type 3, tcp to pods become more)" in said
    assert "--leave-out c" not in said
    assert refusal("Clouds", {"a": "no"}, {}).endswith("accept it with --leave-out a")
