"""A figure as a printer without colour shows it: every colour becomes the grey of the same lightness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WEIGHTS = np.array([0.2126, 0.7152, 0.0722])  # of sRGB's linear channels in luminance


def grey(colors: Any) -> np.ndarray:
    """(..., 3 or 4) sRGB, 0 to 1, with the luminance kept and the hue gone; opacity stays."""
    colors = np.asarray(colors, dtype=float)
    rgb = colors[..., :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    light = np.clip(linear @ _WEIGHTS, 0, 1)
    shade = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.concatenate([np.repeat(shade[..., None], 3, axis=-1), colors[..., 3:]], axis=-1)


def without_color(figure: Figure) -> Figure:
    """The same figure, changed in place."""
    from matplotlib.collections import Collection
    from matplotlib.image import AxesImage
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.text import Text

    for artist in figure.findobj():
        if isinstance(artist, AxesImage) or (isinstance(artist, Collection) and artist.get_array() is not None):
            _image(artist)
        elif isinstance(artist, Collection | Patch):
            artist.set_facecolor(_shades(artist.get_facecolor()))
            artist.set_edgecolor(_shades(artist.get_edgecolor()))
        elif isinstance(artist, Line2D):
            for part in ("color", "markerfacecolor", "markeredgecolor"):
                getattr(artist, f"set_{part}")(_one(getattr(artist, f"get_{part}")()))
        elif isinstance(artist, Text):
            artist.set_color(_one(artist.get_color()))
    return figure


def _one(color: Any) -> Any:
    from matplotlib.colors import to_rgba

    return color if isinstance(color, str) and color in ("none", "auto") else tuple(grey(to_rgba(color)))


def _shades(colors: Any) -> Any:
    colors = np.asarray(colors)
    return grey(colors) if colors.size else colors


def _image(artist: Any) -> None:
    from matplotlib.colors import ListedColormap

    array = artist.get_array()
    if array is not None and array.ndim == 3:
        artist.set_data(grey(np.asarray(array) / (255 if array.dtype == np.uint8 else 1)))
        return
    scale = artist.get_cmap()
    shades = ListedColormap(grey(scale(np.linspace(0, 1, 256))))
    shades.set_bad(_one(scale.get_bad()))
    artist.set_cmap(shades)
