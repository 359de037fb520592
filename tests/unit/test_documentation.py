"""What the documentation says about parameters is what the code declares."""

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_parameter_page_is_up_to_date() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "document_parameters.py"))["text"]()
    found = (ROOT / "docs" / "parameters.md").read_text(encoding="utf-8")
    assert found == made, "run python scripts/document_parameters.py"
