"""Transfer: what a network learned on one task, used on another.

    draw_labelled             a few labelled examples of each class
    copy_encoder              start a network from the encoder of another
    features, LinearProbe     a frozen encoder, and logistic regression on what it says
    probe_head                begin fine-tuning with the head of a probe
    LoRA, add_lora            train a small update beside frozen weights
    stored_bytes              what one more task costs on disk

Training on is in `lecturelib.fine_tuning`. A set of examples is a pair (images (n, C, height, width), labels (n,)).
"""

import copy
from collections.abc import Iterable

import torch
from torch import nn

from lecturelib.attention import MultiHeadAttention
from lecturelib.edges import check_whole
from lecturelib.vision import VisionTransformer, check_images

Examples = tuple[torch.Tensor, torch.Tensor]


def draw_labelled(labels: torch.Tensor, each: int, *, seed: int) -> torch.Tensor:
    """Draw `each` examples of every class; with one seed, those for a smaller `each` are among those for a larger.

    Shapes: labels (n,), whole numbers from 0 to classes - 1; returns (classes * each,), the rows that were drawn.
    Raises: ValueError for a class with fewer examples than `each`, and numbers that are not whole.

    >>> labels = torch.tensor([0, 1, 0, 1, 1])
    >>> labels[draw_labelled(labels, 2, seed=0)].tolist()
    [0, 0, 1, 1]
    """
    check_whole(each=each)
    check_whole(0, seed=seed)
    counts = torch.bincount(labels)
    if counts.min() < each:
        short = {c: int(k) for c, k in enumerate(counts) if k < each}
        raise ValueError(
            f"each={each}, but there are fewer examples of some classes (class: examples) {short}: expected at most "
            f"{int(counts.min())}"
        )
    generator = torch.Generator().manual_seed(int(seed))
    shuffled = torch.randperm(len(labels), generator=generator)
    return torch.cat([shuffled[labels[shuffled] == c][:each] for c in range(len(counts))])


def copy_encoder(source: VisionTransformer, target: VisionTransformer, head: bool = False) -> VisionTransformer:
    """Copy the weights of an encoder into a network of the same build, and return that network.

    `source` is a VisionTransformer with or without a head; of a masked autoencoder take `.encoder`. The head of
    `target` stays as it is, unless `head=True` copies that too.
    Raises: ValueError for another kind of network, an encoder of another build (width, layers, patches, ...), and a
        head that is not there or names another number of classes. Nothing is copied then.
    Taught: notebook 07, section 1.
    """
    _check_encoder("source", source)
    _check_encoder("target", target)
    given, own = source.state_dict(), target.state_dict()
    if source.build != target.build:
        raise ValueError(
            f"the source is VisionTransformer{source.build}, the target VisionTransformer{target.build}: expected two "
            "networks of the same build"
        )
    if not head:
        given = {name: weight for name, weight in given.items() if not name.startswith("head.")}
    elif "head.bias" not in given or given["head.bias"].shape != own["head.bias"].shape:
        raise ValueError("head=True, and the source has no head of as many classes: expected one, or head=False")
    target.load_state_dict(own | given)
    return target


def _check_encoder(role: str, model: object) -> None:
    if not isinstance(model, VisionTransformer):
        extra = "; of a masked autoencoder take .encoder" if hasattr(model, "encoder") else ""
        raise ValueError(f"the {role} is a {type(model).__name__}: expected a VisionTransformer{extra}")


@torch.no_grad()
def features(encoder: VisionTransformer, images: torch.Tensor) -> torch.Tensor:
    """Return what a frozen encoder says of each image, the pooled token before the head.

    Shapes: images (B, C, height, width); returns (B, D).
    Raises: ValueError for images that do not fit, and a network of another kind.
    """
    _check_encoder("encoder", encoder)
    check_images(images, encoder.image_size)
    return encoder.pool_tokens(encoder.encode(encoder.embed(images)))


class LinearProbe:
    """Logistic regression on the features of a frozen encoder: only a linear layer is learned.

    Each feature is first moved and scaled to mean 0 and standard deviation 1 over the training examples. scikit-learn
    finds the weights (Alain and Bengio 2017 named it a probe).
    Raises: ValueError as `features`, for labels that do not fit, and for a single class.
    """

    def __init__(self, encoder: VisionTransformer, images: torch.Tensor, labels: torch.Tensor):
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        check_examples((images, labels))
        self.encoder = encoder
        self.learned = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        self.learned.fit(features(encoder, images).numpy(), labels.numpy())

    def predict(self, images: torch.Tensor) -> torch.Tensor:
        """Name the class of each image: (B, C, height, width) to (B,)."""
        return torch.from_numpy(self.learned.predict(features(self.encoder, images).numpy()))

    def accuracy(self, images: torch.Tensor, labels: torch.Tensor) -> float:
        """Return the share of images that are named rightly."""
        return float((self.predict(images) == labels).float().mean())


def probe_head(model: VisionTransformer, images: torch.Tensor, labels: torch.Tensor) -> VisionTransformer:
    """Write a linear probe on a network's own features into its head, and return the network: fine-tune it next.

    Equation: with the mean m and the standard deviation s of each feature, W_head = W / s, b_head = b - W_head m
        (Kumar and others 2022, "LP-FT").
    Raises: ValueError as `LinearProbe`. The head needs as many outputs as there are classes, 3 or more.
    Taught: notebook 07, section 3.
    """
    scaler, regression = LinearProbe(model, images, labels).learned
    weight = torch.from_numpy(regression.coef_ / scaler.scale_)  # (classes, D)
    bias = torch.from_numpy(regression.intercept_) - weight @ torch.from_numpy(scaler.mean_)
    model.head.load_state_dict({"weight": weight, "bias": bias})
    return model


class LoRA(nn.Module):
    """A frozen linear layer with a small trainable update beside it.

    Equation: y = W x + b + B A x, with A (rank, in) random and B (out, rank) zero at first (Hu and others 2022,
        "LoRA", section 4.1; their scale alpha / r is 1 here).
    Shapes: as the linear layer.
    Raises: ValueError for a rank below 1 or above the smaller side of W.
    Taught: notebook 07, section 7.
    """

    def __init__(self, linear: nn.Linear, rank: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        most = min(linear.in_features, linear.out_features)
        check_whole(rank=rank)
        if rank > most:
            raise ValueError(f"rank={rank}: expected 1 to {most}, the smaller side of the weights")
        self.linear = linear.requires_grad_(False)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        random = torch.randn(rank, self.in_features, generator=generator, dtype=linear.weight.dtype)
        self.A = nn.Parameter((random / self.in_features**0.5).to(linear.weight.device))
        self.B = nn.Parameter(linear.weight.new_zeros(self.out_features, rank))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) + x @ self.A.mT @ self.B.mT


def add_lora(model: VisionTransformer, rank: int, *, seed: int = 0) -> VisionTransformer:
    """Return a copy in which only low-rank updates of queries and values are trained, and the head.

    The updates begin at random by the seed, and change nothing before the first step.
    Raises: ValueError as `LoRA`.
    Taught: notebook 07, section 7.
    """
    generator = torch.Generator().manual_seed(int(seed))
    changed = copy.deepcopy(model).requires_grad_(False)
    for layer in [each for each in changed.modules() if isinstance(each, MultiHeadAttention)]:
        for name in ("q_proj", "v_proj"):
            setattr(layer, name, LoRA(getattr(layer, name), rank, generator))
    changed.head.requires_grad_(True)
    return changed


def stored_bytes(weights: Iterable[torch.Tensor]) -> int:
    """Return how many bytes these weights take: what has to be kept for one more task.

    >>> stored_bytes([torch.zeros(10, 2)])
    80
    """
    return sum(each.numel() * each.element_size() for each in weights)


def check_examples(examples: Examples, num_classes: int | None = None) -> None:
    """Raise ValueError for what is not a set of examples, with labels below `num_classes`."""
    if not isinstance(examples, tuple | list) or len(examples) != 2:
        raise ValueError(f"a set of examples is a {type(examples).__name__}: expected a pair (images, labels)")
    images, labels = examples
    check_images(images)
    if labels.shape != images.shape[:1] or labels.dtype != torch.int64:
        raise ValueError(
            f"{len(images)} images, labels are {labels.dtype} {tuple(labels.shape)}: expected ({len(images)},) whole "
            "numbers, torch.int64; of that type is torch.as_tensor(labels).long()"
        )
    if labels.min() < 0 or (num_classes is not None and labels.max() >= num_classes):
        most = "more" if num_classes is None else f"more, below {num_classes}, the number of classes of the network"
        raise ValueError(f"labels are {int(labels.min())} to {int(labels.max())}: expected 0 or {most}")
