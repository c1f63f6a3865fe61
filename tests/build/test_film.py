"""The film of the live model: what it needs, and how pictures become a GIF."""

from __future__ import annotations

import io

import pytest

from llmbook.build import film

image = pytest.importorskip("PIL.Image")


def png(width, height, colour):
    data = io.BytesIO()
    image.new("RGB", (width, height), colour).save(data, format="PNG")
    return data.getvalue()


def test_a_site_that_is_not_built_says_what_to_do(tmp_path):
    with pytest.raises(ValueError, match="make book"):
        film.film(tmp_path / "out.gif", root=tmp_path)


def test_without_chromium_it_says_how_to_get_one(tmp_path, monkeypatch):
    page = film.site_dir(tmp_path) / film.PAGE
    page.parent.mkdir(parents=True)
    page.touch()
    monkeypatch.setattr(film, "find_chromium", lambda: None)
    with pytest.raises(RuntimeError, match="Chromium"):
        film.film(tmp_path / "out.gif", root=tmp_path)
    assert not (tmp_path / "out.gif").exists()


def test_frames_keep_their_times_and_get_the_size_of_the_highest(tmp_path):
    shots = [(png(40, 20, "white"), 90), (png(40, 30, "navy"), 700), (png(40, 25, "red"), 3000)]
    with image.open(film.write_gif(shots, tmp_path / "out.gif")) as moving:
        assert (moving.n_frames, moving.size) == (3, (40, 30))
        times, corners = [], []
        for frame in range(3):
            moving.seek(frame)
            times.append(moving.info["duration"])
            corners.append(moving.convert("RGB").getpixel((1, 1)))
    assert times == [90, 700, 3000]
    assert corners == [(255, 255, 255), (0, 0, 128), (255, 0, 0)]
