"""The notebook runs from top to bottom, as its reader runs it."""

import os
from pathlib import Path

import nbformat
import polars as pl
import pytest
from nbclient import NotebookClient

pytestmark = [pytest.mark.sockets, pytest.mark.filterwarnings("ignore")]

ROOT = Path(__file__).parents[2]


def test_the_notebook_runs_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(ROOT / "examples" / "frames.ipynb", as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=90, kernel_name="python3", resources=resources).execute()
    printed = "".join(
        output.get("text", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )
    assert "25 of 40 to buy, 11 repeated, 4 without enough data" in printed
    assert pl.read_parquet(tmp_path / "enriched.parquet").shape == (40, 13)


def test_the_notebook_is_saved_without_outputs():
    notebook = nbformat.read(ROOT / "examples" / "frames.ipynb", as_version=4)
    assert [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")] == []
