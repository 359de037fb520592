"""Model cards say what was measured of the weights that ship."""

import json
from pathlib import Path
from typing import Any

import pytest
from dreamnet_training.card import BEGIN, END, figures, replaced, section, write_figures

from livedream.dream.networks.registry import find_spec

ROOT = Path(__file__).resolve().parents[3]
DISTILLED = ("dreamnet", "dreamnet-birds", "dreamnet-insects")  # what the evaluation measures
CARDS = [ROOT / "models" / f"{name}.md" for name in DISTILLED]

RISES = {
    "student": {"all": 0.46},
    "own": {"all": 1.13},
    "noise": {"all": 0.04},
    "ratio": 0.407,
}
SEEN = {"share": 0.4, "share_where_none_was": 0.35, "distinct": 12, "distinct_of_all": 99}
FOUND: dict[str, Any] = {
    "network": "x.safetensors",
    "sha256": "ab" * 32,
    "objective": "creatures",
    "variety": 0.5,
    "kind": "birds",
    "pictures": 20,
    "agreement": {"a teacher": RISES},
    "creatures": {
        "before": {"share": 0.05, "empty": 19},
        "student": SEEN,
        "teacher": SEEN | {"share": 0.85, "distinct": 24},
        "noise": {"share": 0.1, "share_where_none_was": 0.05},
    },
    "classes": {
        "count": 50,
        "steps": 40,
        "clouds": {"within": 0.12, "after": 0.02, "not_dreamed_within": 0.0},
        "noise": {"within": 0.14, "after": 0.04, "not_dreamed_within": 0.02},
        "either": {"within": 0.16, "after": 0.06, "not_dreamed_within": 0.02},
    },
}


def test_every_figure_stands_beside_what_was_asked() -> None:
    rows = figures(FOUND).splitlines()
    agreement = next(row for row in rows if "rise of the response of a teacher" in row)
    assert "0.46 (its own dream 1.13, noise 0.04): 41%" in agreement
    assert agreement.endswith("| ratio 60% |")
    seen = next(row for row in rows if "the judge sees birds" in row)
    assert "40% (before 5%, noise 10%, teacher 85%)" in seen and seen.endswith("| 70% |")
    assert any("12 (teacher's own dreams 24): 50%" in row for row in rows)
    classes = next(row for row in rows if "classes that rise above 0.5 within 40 steps" in row)
    assert "16% of 50 (from clouds 12%, from noise 14%; classes not dreamed 2%) | 60% |" in classes
    assert any("still there after step 40 | 6% |" in row for row in rows)


def test_the_dream_of_the_objective_has_a_row_where_it_was_measured() -> None:
    more = RISES | {
        "objective": {"all": 0.68},
        "objective_ratio": 0.602,
        "objective_text": "0.5*eyes+creatures",
        "default": {"all": 0.61},
        "default_ratio": 0.54,
    }
    rows = figures(FOUND | {"agreement": {"a teacher": more}}).splitlines()
    assert any("only `0.5*eyes+creatures`, 2 x 6 steps | 0.68: 60% |" in row for row in rows)
    default = "dreaming `creatures` with variety, as by default, 2 x 6 steps | 0.61: 54% |"
    assert any(default in row for row in rows)
    assert not any("dreaming only" in row for row in figures(FOUND).splitlines())


def test_a_card_keeps_all_but_its_figures(tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    card.write_text(f"# Title\n\n{BEGIN}\n\nold\n\n{END}\n\nLicence: MIT\n")
    write_figures(card, FOUND)
    text = card.read_text()
    assert section(text) == figures(FOUND)
    assert text.startswith("# Title\n") and text.endswith("\n\nLicence: MIT\n")
    assert "old" not in text
    with pytest.raises(ValueError, match="wanted the lines"):
        replaced("no markers", "x")


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.stem)
def test_a_shipped_card_tells_the_shipped_weights(card: Path) -> None:
    path = ROOT / "docs" / "dreamnet" / f"{card.stem}.json"
    if not path.is_file():
        pytest.skip(f"{path.name} is not there yet: evaluate_dreamnet.py --json writes it")
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["sha256"] == find_spec(card.stem).sha256, "measure the network again"
    assert section(card.read_text(encoding="utf-8")) == figures(found), "run --card again"
