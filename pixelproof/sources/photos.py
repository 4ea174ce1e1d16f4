"""Photographs of a source, copied where nothing has to change; told by content and not by name."""

from __future__ import annotations

import io
from pathlib import Path

from pixelproof.data.images import Array, content_of
from pixelproof.data.photos import Window, look, stored

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif")


def photo(path: Path, window: Window | None = None, published: bool = True) -> tuple[Path | Array, int, int]:
    """A photograph for `SplitWriter.add`, with the height and the width of its pixels as they are stored.

    Masks are drawn on the stored pixels, so a camera's note that the image is to be turned is not followed: such an
    image is written anew without it. So is one that is no PNG or JPEG, has 16 bits per channel, or is transparent.

    Args:
        path: An image, in any format that `pixelproof.data.photos` reads.
        window: How 16 bits per channel become 8.
        published: Whether inks and first frames are taken, as published datasets have them.

    Returns:
        The path itself if its file can be copied byte for byte, otherwise the pixels as RGB; its height; its width.

    Raises:
        NoWindowError: It has 16 bits per channel, and there is no window.
        DataError: It is no whole image, or no single one in grey or RGB.
    """
    content = content_of(path)
    facts = look(path, io.BytesIO(content), published)
    pixels = stored(path, content, facts, window)
    same = facts.ending is not None and facts.orientation == 1
    return path if same else pixels, *pixels.shape[:2]
