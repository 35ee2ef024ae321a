"""Compose, Lambda, RandomApply, RandomChoice, RandomOrder; and what all transforms have in common."""

from __future__ import annotations

from tritonnet.data.seeding import host_generator


class Transform:
    """A function of an image with a repr. `gives_tensors`: whether results are tensors; None: what came in."""

    gives_tensors = None

    def __call__(self, img):
        raise NotImplementedError(f"{type(self).__name__} should implement __call__")

    def __repr__(self):
        return f"{type(self).__name__}()"


class Compose(Transform):
    """One transform after another.

    >>> from tritonnet.vision.transforms import CenterCrop, ToTensor
    >>> Compose([CenterCrop(20), ToTensor()])
    Compose(
        CenterCrop(size=(20, 20))
        ToTensor()
    )
    """

    is_chain = True

    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, img):
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self):
        return "\n    ".join([f"{type(self).__name__}(", *map(repr, self.transforms)]) + "\n)"


class Lambda(Transform):
    """A function of one's own."""

    def __init__(self, lambd):
        if not callable(lambd):
            raise TypeError(f"Argument lambd should be callable, got {type(lambd).__name__!r}")
        self.lambd = lambd

    def __call__(self, img):
        return self.lambd(img)


class RandomTransforms(Transform):
    """A list of transforms of which chance picks."""

    def __init__(self, transforms):
        if not isinstance(transforms, (list, tuple)):
            raise TypeError("Argument transforms should be a sequence")
        self.transforms = transforms

    def __repr__(self):
        return "\n    ".join([f"{type(self).__name__}(", *map(repr, self.transforms)]) + "\n)"


class RandomApply(RandomTransforms):
    """All of the transforms with probability p, else none."""

    def __init__(self, transforms, p=0.5):
        super().__init__(transforms)
        self.p = p

    def __call__(self, img):
        if host_generator().random() < self.p:
            for transform in self.transforms:
                img = transform(img)
        return img

    def __repr__(self):
        return "\n    ".join([f"{type(self).__name__}(", f"p={self.p}", *map(repr, self.transforms)]) + "\n)"


class RandomOrder(RandomTransforms):
    """All of the transforms, in random order."""

    def __call__(self, img):
        for i in host_generator().permutation(len(self.transforms)):
            img = self.transforms[i](img)
        return img


class RandomChoice(RandomTransforms):
    """One of the transforms; p: weights."""

    def __init__(self, transforms, p=None):
        super().__init__(transforms)
        self.p = p

    def __call__(self, img):
        weights = None if self.p is None else [w / sum(self.p) for w in self.p]
        return self.transforms[int(host_generator().choice(len(self.transforms), p=weights))](img)

    def __repr__(self):
        return super().__repr__() + f"(p={self.p})"
