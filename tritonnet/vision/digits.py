"""Digits drawn from strokes: what stands in for MNIST where there is none.

A digit is a few curves through control points, in one of several writing styles. Each image moves the control points a
little, slants, turns, scales and shifts the whole, and draws it with a pen of its own width: points along the curves
leave ink exp(-d^2 / 2 w^2), which is a product of a function of x and one of y, so that an image is one small matrix
product. At last comes noise. The same seed gives the same digits.
"""

from __future__ import annotations

import numpy as np

from tritonnet.vision.datasets.mnist import ImageArrays

SIZE = 28
POINTS = 80  # along all strokes of a digit
CHUNK = 2000  # images drawn at once
SIZES = {True: 30_000, False: 5_000}  # of the part to train on, and of the part held out
INK, NOISE = (0.6, 1.0), (0.0, 0.12)  # ranges, of white

# digit -> styles -> strokes -> control points (x, y) in per cent of the box, y down
STYLES = {
    0: [["50,5 22,22 15,55 28,88 50,95 74,86 85,52 76,17 50,5"],
        ["60,6 35,10 22,40 26,80 48,95 70,82 78,45 66,12 42,8"],
        ["46,8 24,35 30,80 52,94 76,70 74,28 54,6 46,8"]],
    1: [["50,5 50,50 50,95"],
        ["30,27 40,18 52,5", "52,5 52,50 52,95"],
        ["32,25 42,16 52,5", "52,5 52,50 52,95", "32,95 52,95 74,95"]],
    2: [["20,25 35,8 60,6 78,22 70,45 45,70 20,93", "20,93 50,92 82,93"],
        ["22,25 45,7 72,15 72,40 50,65 28,87 17,92 17,80 32,77 52,88 82,94"],
        ["24,18 50,5 76,18 74,40 50,62 20,94", "20,94 45,86 65,94 84,88"]],
    3: [["20,15 45,5 72,15 70,35 45,47", "45,47 72,55 80,75 60,93 35,94 18,82"],
        ["20,7 50,7 78,7", "78,7 62,25 45,42", "45,42 70,50 80,70 65,90 40,95 20,85"],
        ["24,12 52,5 72,18 64,38 42,46 66,52 76,72 56,94 22,88"]],
    4: [["25,8 20,35 20,55", "20,55 50,55 85,52", "68,10 66,50 65,95"],
        ["62,5 40,32 15,62", "15,62 50,63 88,62", "62,5 62,50 62,95"],
        ["30,8 24,38 34,52 56,50 70,36", "74,6 70,50 66,95"]],
    5: [["75,7 50,7 28,8", "28,8 25,25 23,42", "23,42 50,36 75,50 77,75 55,93 20,90"],
        ["80,8 50,8 30,20 30,40 55,45 75,60 70,85 45,95 20,88"],
        ["30,10 28,28 26,46", "26,46 52,38 76,54 72,82 46,95 22,86", "30,10 55,10 82,6"]],
    6: [["65,5 40,20 22,50 22,78 42,95 68,90 78,72 65,55 42,57 25,72"],
        ["40,5 27,35 22,65 30,88 52,95 74,85 75,65 55,53 35,60 25,72"],
        ["72,12 50,8 30,32 22,64 36,92 64,92 74,72 58,56 34,62"]],
    7: [["18,10 50,9 82,9", "82,9 60,50 42,95"],
        ["18,10 50,9 82,9", "82,9 60,50 42,95", "35,50 55,50 75,50"],
        ["18,24 20,10 50,12 82,9", "82,9 66,34 54,62 50,95"]],
    8: [["70,15 50,5 28,15 30,35 50,48 72,65 72,87 50,96 27,87 28,65 50,48 70,33 70,15"],
        ["50,5 30,13 28,32 50,45 72,32 70,13 50,5", "50,45 22,60 22,85 50,96 78,85 78,60 50,45"],
        ["76,14 52,5 30,18 40,38 62,54 74,76 54,95 30,84 38,60 60,38 74,16"]],
    9: [["75,20 55,6 30,12 22,32 38,48 62,42 75,20", "75,20 74,55 68,95"],
        ["75,20 55,6 30,12 22,32 38,48 62,42 75,20", "75,20 78,55 68,85 45,95 25,88"],
        ["72,18 48,6 26,22 32,44 56,44 72,22 70,50 60,95"]],
}


def points_of(stroke):
    """(C, 2) control points of a stroke, the middle of the box at 0, its height 1."""
    return np.array([[float(v) for v in point.split(",")] for point in stroke.split()]) / 100 - 0.5


def curve(control, count):
    """(count, C): weights that make `count` points on the Catmull-Rom spline through C control points."""
    n = len(control)
    at = np.linspace(0, n - 1, count)
    k = np.minimum(at.astype(int), n - 2)
    t = (at - k)[:, None]
    basis = np.hstack([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3]) / 2
    weights = np.zeros((count, n))
    for j in range(4):  # the ends stand for the points beyond them
        np.add.at(weights, (np.arange(count), np.clip(k + j - 1, 0, n - 1)), basis[:, j])
    return weights


class Style:
    """One way to write a digit: control points, and the weights that turn them into a row of points with their ink."""

    def __init__(self, strokes):
        controls = [points_of(stroke) for stroke in strokes]
        lengths = [np.linalg.norm(np.diff(control, axis=0), axis=1).sum() for control in controls]
        counts = np.maximum(np.round(POINTS * np.array(lengths) / sum(lengths)).astype(int), 4)
        counts[0] += POINTS - counts.sum()
        self.control = np.concatenate(controls).astype(np.float32)
        self.weights = np.zeros((POINTS, len(self.control)), np.float32)
        self.same_stroke = np.zeros(POINTS - 1, bool)
        row = column = 0
        for control, count in zip(controls, counts):
            self.weights[row:row + count, column:column + len(control)] = curve(control, count)
            self.same_stroke[row:row + count - 1] = True
            row, column = row + count, column + len(control)


def draw(style, n, rng):
    """(n, SIZE, SIZE) float32 in [0, 1]: a digit in one style, n times."""
    control = style.control + rng.normal(0, 0.045, (n, *style.control.shape)).astype(np.float32)
    points = np.matmul(style.weights, control)
    slant, turn = rng.normal(0.12, 0.27, n), rng.normal(0, 0.14, n)
    wide, high = rng.uniform(11, 21, n), rng.uniform(16, 21, n)
    # x' = turn(wide (x - slant y)), y' = turn(high y)
    cos, sin = np.cos(turn), np.sin(turn)
    lean = slant * wide
    shape = np.array([[wide * cos, wide * sin], [-lean * cos - high * sin, high * cos - lean * sin]], np.float32)
    points = np.matmul(points, shape.transpose(2, 0, 1))
    points -= (points.max(axis=1, keepdims=True) + points.min(axis=1, keepdims=True)) / 2
    points += (SIZE - 1) / 2 + rng.normal(0, 1.2, (n, 1, 2)).astype(np.float32)
    steps = np.linalg.norm(np.diff(points, axis=1), axis=2) * style.same_stroke
    ink = np.zeros((n, POINTS), np.float32)
    ink[:, 1:] += steps / 2
    ink[:, :-1] += steps / 2
    pen = rng.uniform(0.65, 1.5, (n, 1, 1)).astype(np.float32)
    pixel = np.arange(SIZE, dtype=np.float32)
    across, down = (np.exp(-0.5 * ((points[:, :, k, None] - pixel) / pen) ** 2) for k in (0, 1))
    ink = np.matmul((down * ink[:, :, None]).transpose(0, 2, 1), across)
    ink *= 1 / (np.sqrt(2 * np.pi, dtype=np.float32) * pen)  # 1 on the middle of a long stroke
    return np.clip(1.9 * ink - 0.35, 0, 1)


def digits(n, seed=0):
    """n digits, the ten classes in random order.

    Returns images (n, 28, 28) uint8, light on dark as MNIST's, and labels (n,) int64.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, n)
    which = rng.integers(0, 3, n)
    images = np.empty((n, SIZE, SIZE), np.uint8)
    for digit, styles in STYLES.items():
        for s, strokes in enumerate(styles):
            style, rows = Style(strokes), np.flatnonzero((labels == digit) & (which == s))
            for start in range(0, len(rows), CHUNK):
                some = rows[start:start + CHUNK]
                found = draw(style, len(some), rng)
                ink, noise = (rng.uniform(*range_, (len(some), 1, 1)).astype(np.float32) for range_ in (INK, NOISE))
                found = found * ink + noise * rng.standard_normal(found.shape, np.float32)
                images[some] = np.clip(found * 255, 0, 255)
    return images, labels


class GeneratedDigits(ImageArrays):
    """Generated digits as a dataset: 30,000 to train on, 5,000 of another seed held out."""

    classes = [str(digit) for digit in range(10)]

    def __init__(self, train=True, transform=None, target_transform=None, size=None):
        self.train = train
        images, labels = digits(SIZES[bool(train)] if size is None else size, seed=1 if train else 2)
        super().__init__(images, labels, transform, target_transform)

    def extra_repr(self):
        return f"Split: {'Train' if self.train else 'Held out'}"
