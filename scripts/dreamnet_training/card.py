"""The figures of a model card: written from the evaluation's JSON, never by hand.

A card holds a section between two marker lines; ``write_figures`` replaces what stands there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

MOST_MULTIPLY_ADDS = 6000
LEAST_AGREEMENT = 0.6
LEAST_SIBLING, LEAST_GENERAL = 0.7, 0.6
LEAST_VARIETY = 0.6
LEAST_CLASSES = 0.6
"""What was asked of the networks before they were made."""


def figures(found: Mapping[str, Any]) -> str:
    """The section's text from what ``evaluate_dreamnet.py --json`` wrote."""
    lines = [
        f"Weights `{found['sha256'][:12]}`, {found['pictures']} held-out pictures, residual of "
        f"12/255 RMS. By default `{found['objective']}` is dreamed with a variety of "
        f"{found['variety']:g}, and the judge sees it that way. Rises are without variety unless "
        "stated.",
        "",
        "| figure | found | asked |",
        "| --- | --- | --- |",
        *(f"| {name} | {value} | {asked} |" for name, value, asked in _rows(found)),
    ]
    if "cost" in found:
        lines += ["", *_cost(found["cost"])]
    return "\n".join(lines)


def write_figures(card: Path, found: Mapping[str, Any]) -> None:
    """Replace the card's section. Raises ValueError when the card has no markers."""
    text = card.read_text(encoding="utf-8")
    card.write_text(replaced(text, figures(found)), encoding="utf-8")


def section(text: str) -> str:
    """What stands between a card's markers. Raises ValueError when they are not there."""
    _, begin, rest = text.partition(BEGIN)
    inside, end, _ = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"wanted the lines {BEGIN} and {END} in the card")
    return inside.strip()


def replaced(text: str, inside: str) -> str:
    """The card's text with another section."""
    section(text)
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    return f"{before}{BEGIN}\n\n{inside}\n\n{END}{after}"


def _rows(found: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Figure, what was found, what was asked: the long dreams, then those of few steps."""
    default = found["objective"]
    if "agreement" in found:
        yield from _agreement(
            found["agreement"], default, "2 x 6 steps", f"ratio {LEAST_AGREEMENT:.0%}"
        )
    if "creatures" in found:
        general = found["kind"] == "animals"
        least = LEAST_GENERAL if general else LEAST_SIBLING
        asked = "for a judge that did not teach" if general else f"{least:.0%}"
        yield from _creatures(found["creatures"], found["kind"], "2 x 6 steps", asked)
    if "few" in found:
        yield from _agreement(found["few"]["agreement"], default, "2 x 2 steps", "")
        yield from _creatures(found["few"]["creatures"], found["kind"], "2 x 2 steps", "")
    if "classes" in found:
        classes = found["classes"]
        either = classes["either"]
        each = ", ".join(
            f"from {start} {classes[start]['within']:.0%}" for start in ("clouds", "noise")
        )
        yield (
            f"classes that rise above 0.5 within {classes['steps']} steps, from clouds or noise",
            f"{either['within']:.0%} of {classes['count']} ({each}; classes not dreamed "
            f"{either['not_dreamed_within']:.0%})",
            f"{LEAST_CLASSES:.0%}",
        )
        yield (
            f"the same, still there after step {classes['steps']}",
            f"{either['after']:.0%}",
            "",
        )


def _agreement(
    found: Mapping[str, Any], default: str, steps: str, asked: str
) -> Iterator[tuple[str, str, str]]:
    for teacher, values in found.items():
        beside = values.get("beside")
        more = "" if beside is None else f", SqueezeNet's dream {beside['all']:.2f}"
        yield (
            f"rise of the response of {teacher}, {steps}",
            f"{values['student']['all']:.2f} (its own dream {values['own']['all']:.2f}, noise "
            f"{values['noise']['all']:.2f}{more}): {values['ratio']:.0%}",
            asked,
        )
        if "objective" in values:
            yield (
                f"the same, dreaming only `{values['objective_text']}`, {steps}",
                f"{values['objective']['all']:.2f}: {values['objective_ratio']:.0%}",
                asked,
            )
            yield (
                f"the same, dreaming `{default}` with variety, as by default, {steps}",
                f"{values['default']['all']:.2f}: {values['default_ratio']:.0%}",
                "",
            )


def _creatures(
    found: Mapping[str, Any], kind: str, steps: str, asked: str
) -> Iterator[tuple[str, str, str]]:
    others = [name for name in found if name not in ("before", "noise", "student")]
    beside = ", ".join(f"{name} {found[name]['share']:.0%}" for name in others)
    yield (
        f"pictures in which the judge sees {kind}, {steps}",
        f"{found['student']['share']:.0%} (before {found['before']['share']:.0%}, noise "
        f"{found['noise']['share']:.0%}, {beside})",
        asked,
    )
    yield (
        f"the same where there were none before, {steps}",
        f"{found['student']['share_where_none_was']:.0%} of {found['before']['empty']}",
        "",
    )
    own, other = found["student"]["distinct"], found["teacher"]["distinct"]
    yield (
        f"kinds of {kind} seen, {steps}",
        f"{own} (teacher's own dreams {other}): {own / max(1, other):.0%}",
        f"{LEAST_VARIETY:.0%}" if asked else "",
    )


def _cost(cost: Mapping[str, Any]) -> Iterator[str]:
    work = ", ".join(f"`{k}` {v:,}" for k, v in cost["multiply_adds_per_pixel"].items())
    yield f"Multiply-adds per pixel (asked: at most {MOST_MULTIPLY_ADDS:,}): {work}."
    yield ""
    yield "Least of twelve rounds in turn, two CPU threads, other work on the machine:"
    yield ""
    yield "| one ascent step at 480x270 | fp32, ms | bf16, ms |"
    yield "| --- | --- | --- |"
    for name, times in cost["milliseconds_480x270"].items():
        yield f"| {name} | {times['float32']} | {times['bfloat16']} |"
    yield ""
    worst = min(cost["bf16_gradient_correlation"].values())
    least = math.floor(worst * 1000) / 1000
    yield f"Input gradients in bf16 and fp32 correlate with at least {least:.3f} (of 1)."
    yield ""
    yield "Share of the input gradient's energy near the Nyquist frequency:"
    yield ""
    yield from (
        f"- {name}: {share:.1%}" for name, share in cost["gradient_share_near_nyquist"].items()
    )
