"""Sun, sky and camera: from the painted canvas to an image."""

from __future__ import annotations

import cv2
import numpy as np

from pixelproof.sources.synthetic.canvas import Array, Canvas
from pixelproof.sources.synthetic.flights import Flight

TALLEST = 8.0  # metres; nothing on the canvas is taller
SKY = np.array([0.85, 0.95, 1.15], np.float32)
SUN = np.array([1.05, 1.0, 0.9], np.float32)


def illuminate(canvas: Canvas, flight: Flight) -> Array:
    """The light reflected by each pixel: reflectance times the sum of sunlight, reduced by shadows, and skylight."""
    soft = cv2.GaussianBlur(canvas.height, (0, 0), 0.8)
    slope_y, slope_x = np.gradient(soft / canvas.metres_per_pixel)
    towards = np.array([np.cos(flight.azimuth), np.sin(flight.azimuth)]) * np.cos(flight.elevation)
    facing = np.sin(flight.elevation) - slope_x * towards[0] - slope_y * towards[1]
    facing = np.clip(facing / np.sqrt(1 + slope_x**2 + slope_y**2), 0, 1) / np.sin(flight.elevation)
    sun = (flight.sunshine * facing * (1 - shadow(canvas, flight)))[..., None] * SUN
    sky = (0.42 + 0.58 * (1 - flight.sunshine)) * SKY * _openness(canvas)[..., None]
    lit: Array = canvas.albedo * (sun + sky)
    return lit.astype(np.float32)


def shadow(canvas: Canvas, flight: Flight) -> Array:
    """How much of the sunlight is blocked (0 to 1), found by sweeping the height map away from the sun."""
    fall = np.tan(flight.elevation) * canvas.metres_per_pixel
    step = 1.5
    hidden = np.full_like(canvas.height, -10)
    for k in range(1, int(TALLEST / fall / step)):
        dx, dy = step * k * np.cos(flight.azimuth), step * k * np.sin(flight.azimuth)
        shift = np.array([[1, 0, dx], [0, 1, dy]])
        towards_sun = cv2.warpAffine(
            canvas.height, shift, (canvas.side, canvas.side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
        np.maximum(hidden, towards_sun - np.float32(step * k * fall), out=hidden)
    dark: Array = cv2.GaussianBlur(np.clip((hidden - canvas.height) / 0.25, 0, 1), (0, 0), 0.8)
    return dark


def _openness(canvas: Canvas) -> Array:
    """How much of the sky each pixel sees: less next to tall objects."""
    around = cv2.blur(canvas.height, (15, 15))
    openness: Array = np.clip(1 - 0.12 * np.clip(around - canvas.height, 0, 4), 0.5, 1)
    return openness


def photograph(rng: np.random.Generator, light: Array, flight: Flight) -> Array:
    """Simulate the camera: exposure, white balance, haze, vignetting, blur, noise, 8 bits."""
    side = light.shape[0]
    gain = flight.exposure * np.sqrt(0.16 / max(float(light.mean()), 0.02)) * 1.15
    image = light * gain * flight.white_balance
    image = image * (1 - flight.haze) + flight.haze
    ramp = np.linspace(-1, 1, side, dtype=np.float32) ** 2
    image *= (1 - 0.12 * (ramp[None, :] + ramp[:, None]))[..., None]
    image = cv2.GaussianBlur(image, (0, 0), flight.blur)
    image = _shake(rng, image, flight.motion)
    encoded = np.clip(image, 0, 1) ** np.float32(1 / 2.2)
    noise = rng.standard_normal(image.shape, dtype=np.float32) * flight.noise * np.float32(0.7)
    noise += rng.standard_normal((side, side, 1), dtype=np.float32) * flight.noise * np.float32(0.7)
    pixels: Array = (np.clip(encoded + noise, 0, 1) * 255 + 0.5).astype(np.uint8)
    return pixels


def _shake(rng: np.random.Generator, image: Array, length: float) -> Array:
    """Motion blur along a line."""
    turn = rng.uniform(0, np.pi)
    if length < 1:
        return image
    kernel = np.zeros((7, 7), np.float32)
    for t in np.linspace(-length / 2, length / 2, 9):
        kernel[round(3 + min(max(t * np.sin(turn), -3), 3)), round(3 + min(max(t * np.cos(turn), -3), 3))] += 1
    shaken: Array = cv2.filter2D(image, -1, kernel / kernel.sum())
    return shaken
