"""A tiny trained run that measurements are taken of."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kg.build import build
from kg.description import Description
from models.text import TextEncoder
from training.config import LangevinConfig, ModelConfig, RunConfig, TextConfig
from training.runs import train_run

DESCRIPTION = """name: tiny
ratings: {file: ratings.csv, scale: [1, 5]}
items:
  - {file: items.csv, id: id, label: title, text: "{title}", concepts: {genre: {column: genre}}}
users:
  - {file: users.csv, id: id, concepts: {job: {column: job}}}
"""
CONFIG = RunConfig(
    text=TextConfig(num_features=2, synthetic_texts=0),
    model=ModelConfig(embedding_size=2),
    training=LangevinConfig(epochs=12, burn_in=4, hold=1, keep_every=1),
)


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Nine users who rate six items each, of eight; texts are read by a stand-in."""

    def encode(encoder: TextEncoder, texts: list[str], **_: Any) -> np.ndarray:
        rows = [np.random.default_rng(list(sha256(text.encode()).digest())).normal(size=4) for text in texts]
        return np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32)

    folder = tmp_path_factory.mktemp("tiny")
    ratings = [f"{user},{item},{1 + (3 * user + 2 * item) % 5}" for user in range(9) for item in range(6)]
    (folder / "ratings.csv").write_text("\n".join(["user,item,rating", *ratings]) + "\n")
    items = [f"{item},Film {item},{'Drama' if item % 2 else 'War'}" for item in range(8)]
    (folder / "items.csv").write_text("\n".join(["id,title,genre", *items]) + "\n")
    jobs = [f"{user},{'cook' if user % 2 else 'smith'}" for user in range(10)]
    (folder / "users.csv").write_text("\n".join(["id,job", *jobs]) + "\n")
    (folder / "tiny.yaml").write_text(DESCRIPTION)
    build(Description.load(folder / "tiny.yaml")).save(folder / "graph")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextEncoder, "encode", encode)
        patch.setattr(TextEncoder, "fingerprint", "stand-in")
        train_run(folder / "graph", CONFIG, folder / "run")
        yield folder / "run"
