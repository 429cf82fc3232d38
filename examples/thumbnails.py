"""Thumbnails, with Pillow."""

from __future__ import annotations

from pathlib import Path

import msgspec
from PIL import Image, ImageOps

from examples.whole_files import whole_file


class Thumbnail(msgspec.Struct):
    """One that was made."""

    file: str
    width: int
    height: int
    bytes: int


def make(source: Path, folder: Path, size: int) -> Thumbnail:
    """Write a JPEG of at most ``size`` x ``size`` pixels; what was there is replaced whole."""
    target = folder / f"{source.stem}-{size}.jpg"
    with Image.open(source) as photograph:
        upright = ImageOps.exif_transpose(photograph).convert("RGB")
    upright.thumbnail((size, size), Image.Resampling.LANCZOS)
    with whole_file(target) as file:
        upright.save(file, "JPEG", quality=85, optimize=True)
    return Thumbnail(str(target), upright.width, upright.height, target.stat().st_size)
