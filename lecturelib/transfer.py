"""Transfer: what a network learned on one task, used on another.

    draw_labelled             a few labelled examples of each class
    copy_encoder              start a network from the encoder of another
    features, LinearProbe     a frozen encoder, and logistic regression on what it says
    probe_head                begin fine-tuning with the head of a probe
    LoRA, add_lora            train a small update beside frozen weights
    stored_bytes              what one more task costs on disk

Training on is in `lecturelib.fine_tuning`. A set of examples is a pair (images (n, C, height, width), labels (n,)).
"""

from __future__ import annotations

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
    Raises: ValueError for labels that are not such, a class with fewer examples than `each`, an `each` below 1, and a
        seed that is not a whole number.
    Tool: from notebook 07 on.

    >>> labels = torch.tensor([0, 1, 0, 1, 1])
    >>> labels[draw_labelled(labels, 2, seed=0)].tolist()
    [0, 0, 1, 1]
    """
    check_labels(labels)
    check_whole(each=each)
    check_whole(0, seed=seed)
    counts = torch.bincount(labels)
    if counts.min() < each:
        short = {c: int(k) for c, k in enumerate(counts) if k < each}
        raise ValueError(
            f"each={each}, but there are fewer examples of some classes (class: examples) {short}: expected at most "
            f"{int(counts.min())}; ask for fewer, or bring examples of those classes"
        )
    generator = torch.Generator().manual_seed(int(seed))
    shuffled = torch.randperm(len(labels), generator=generator)
    return torch.cat([shuffled[labels[shuffled] == c][:each] for c in range(len(counts))])


def copy_encoder(source: nn.Module, target: VisionTransformer, head: bool = False) -> VisionTransformer:
    """Copy the weights of an encoder into a network of the same build, and return that network.

    `source` is a VisionTransformer with or without a head; of a masked autoencoder take `.encoder`. The head of
    `target` stays as it is, unless `head=True` copies that too.
    Raises: ValueError for another kind of network, an encoder of another build (width, layers, patches, ...), and a
        head that is not there or names another number of classes. Nothing is copied then.
    Taught: notebook 07, section 1.
    """
    if not isinstance(source, VisionTransformer) or not isinstance(target, VisionTransformer):
        name, wrong = ("target", target) if isinstance(source, VisionTransformer) else ("source", source)
        extra = "; of a masked autoencoder take .encoder" if hasattr(wrong, "encoder") else ""
        raise ValueError(f"the {name} is a {type(wrong).__name__}: expected a VisionTransformer{extra}")
    if head and not source.state_dict().keys() & {"head.weight"}:
        raise ValueError("the source has no head: expected VisionTransformer(..., num_classes=...), or head=False")
    given = {k: v for k, v in source.state_dict().items() if head or not k.startswith("head.")}
    own = {k: v for k, v in target.state_dict().items() if head or not k.startswith("head.")}
    misfits = {k for k in given.keys() | own.keys() if k not in given or k not in own or given[k].shape != own[k].shape}
    if misfits or source.build != target.build:
        fits = (
            f"{len(misfits)} weights do not fit, the first {min(misfits)}"
            if misfits
            else "the weights would fit, by chance"
        )
        raise ValueError(
            f"the source has {_in_words(source)}, the target {_in_words(target)}; {fits}: expected two networks of the "
            f"same build{', head included' if head else ''}"
        )
    target.load_state_dict(target.state_dict() | given)
    return target


def _in_words(model: VisionTransformer) -> str:
    """Say how a network is built."""
    image_size, patch_size, d_model, num_heads, num_layers, pool, positions = model.build
    return (
        f"d_model {d_model}, {num_layers} layers of {num_heads} heads, patch size {patch_size} of images {image_size}, "
        f"pool {pool!r}, positions {positions!r}"
    )


@torch.no_grad()
def features(encoder: VisionTransformer, images: torch.Tensor) -> torch.Tensor:
    """Return what a frozen encoder says of each image, the pooled token before the head.

    Shapes: images (B, C, height, width); returns (B, D).
    Raises: ValueError for images that do not fit, and a network of another kind.
    Tool: from notebook 07 on.
    """
    if not isinstance(encoder, VisionTransformer):
        raise ValueError(f"the encoder is a {type(encoder).__name__}: expected a VisionTransformer")
    check_images(images, encoder.image_size)
    was = encoder.training
    encoder.eval()
    try:
        return encoder.pool_tokens(encoder.encode(encoder.embed(images)))
    finally:
        encoder.train(was)


class LinearProbe:
    """Logistic regression on the features of a frozen encoder: only a linear layer is learned.

    Each feature is first moved and scaled to mean 0 and standard deviation 1 over the training examples. scikit-learn
    finds the weights (Alain and Bengio 2017 named it a probe).
    Raises: ValueError as `features`, for labels that do not fit, and a training set of a single class.
    Tool: from notebook 07 on.
    """

    def __init__(self, encoder: VisionTransformer, images: torch.Tensor, labels: torch.Tensor):
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        check_examples((images, labels))
        if len(labels.unique()) < 2:
            raise ValueError(f"all {len(labels)} labels are {int(labels[0])}: expected examples of two classes or more")
        self.encoder = encoder
        self.learned = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        self.learned.fit(features(encoder, images).numpy(), labels.numpy())

    def predict(self, images: torch.Tensor) -> torch.Tensor:
        """Name the class of each image: (B, C, height, width) to (B,)."""
        return torch.from_numpy(self.learned.predict(features(self.encoder, images).numpy()))

    def accuracy(self, images: torch.Tensor, labels: torch.Tensor) -> float:
        """Return the share of images that are named rightly."""
        check_examples((images, labels))
        return float((self.predict(images) == labels).float().mean())


def probe_head(model: VisionTransformer, images: torch.Tensor, labels: torch.Tensor) -> VisionTransformer:
    """Write a linear probe on a network's own features into its head, and return the network: fine-tune it next.

    Equation: with the mean m and the standard deviation s of each feature, W_head = W / s, b_head = b - W_head m
        (Kumar and others 2022, "LP-FT").
    Raises: ValueError as `LinearProbe`, and for a head of other classes than the labels', of which there are 3 or more.
    Taught: notebook 07, section 3.
    """
    scaler, regression = LinearProbe(model, images, labels).learned
    weight = torch.from_numpy(regression.coef_ / scaler.scale_)  # (classes, D)
    bias = torch.from_numpy(regression.intercept_) - weight @ torch.from_numpy(scaler.mean_)
    wanted = getattr(model.head, "weight", torch.empty(0)).shape
    if weight.shape != wanted:
        raise ValueError(
            f"the probe has weights {tuple(weight.shape)}, the head {tuple(wanted)}: expected a head of as "
            "many classes as there are labels, 3 or more"
        )
    model.head.load_state_dict({"weight": weight, "bias": bias})
    return model


class LoRA(nn.Module):
    """A frozen linear layer with a small trainable update beside it.

    Equation: y = W x + b + B A x, with A (rank, in) random and B (out, rank) zero at first (Hu and others 2022,
        "LoRA", section 4.1; their scale alpha / r is 1 here).
    Shapes: as the linear layer.
    Raises: ValueError for another layer, and a rank below 1 or above the smaller side of W.
    Taught: notebook 07, section 7.
    """

    def __init__(self, linear: nn.Linear, rank: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        if not isinstance(linear, nn.Linear):
            raise ValueError(f"the layer is a {type(linear).__name__}: expected a linear layer")
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
    Raises: ValueError as `LoRA`, for a network of another kind, and a seed that is not a whole number.
    Taught: notebook 07, section 7.
    """
    if not isinstance(model, VisionTransformer):
        raise ValueError(f"the model is a {type(model).__name__}: expected a VisionTransformer")
    check_whole(0, seed=seed)
    generator = torch.Generator().manual_seed(int(seed))
    changed = copy.deepcopy(model).requires_grad_(False)
    for layer in [each for each in changed.modules() if isinstance(each, MultiHeadAttention)]:
        for name in ("q_proj", "v_proj"):
            setattr(layer, name, LoRA(getattr(layer, name), rank, generator))
    changed.head.requires_grad_(True)
    return changed


def stored_bytes(weights: Iterable[torch.Tensor]) -> int:
    """Return how many bytes these weights take: what has to be kept for one more task.

    Raises: ValueError for what is not a row of tensors.
    Tool: from notebook 07 on.

    >>> stored_bytes([torch.zeros(10, 2)])
    80
    """
    weights = list(weights) if isinstance(weights, Iterable) else [weights]
    strange = [type(each).__name__ for each in weights if not isinstance(each, torch.Tensor)]
    if strange:
        raise ValueError(f"the weights hold a {strange[0]}: expected tensors, such as model.parameters()")
    return sum(each.numel() * each.element_size() for each in weights)


def check_labels(labels: torch.Tensor) -> None:
    """Raise ValueError for what is not a row of whole numbers of 0 or more.

    Tool: from notebook 07 on.
    """
    if not isinstance(labels, torch.Tensor) or labels.ndim != 1 or len(labels) == 0 or labels.dtype != torch.int64:
        said = f"{labels.dtype} {tuple(labels.shape)}" if isinstance(labels, torch.Tensor) else type(labels).__name__
        raise ValueError(
            f"labels are {said}: expected whole numbers (n,), torch.int64, at least one; of that type is "
            "torch.as_tensor(labels).long()"
        )
    if labels.min() < 0:
        raise ValueError(f"a label is {int(labels.min())}: expected 0 or more")


def check_examples(examples: Examples, num_classes: int | None = None) -> None:
    """Raise ValueError for what is not a set of examples, with labels below `num_classes`.

    Tool: from notebook 07 on.
    """
    if not isinstance(examples, tuple | list) or len(examples) != 2:
        raise ValueError(f"a set of examples is a {type(examples).__name__}: expected a pair (images, labels)")
    images, labels = examples
    check_labels(labels)
    check_images(images)
    if len(images) != len(labels):
        raise ValueError(f"{len(images)} images, {len(labels)} labels: expected as many of the one as of the other")
    if num_classes is not None and labels.max() >= num_classes:
        raise ValueError(f"a label is {int(labels.max())}: expected 0 to {num_classes - 1}, the classes of the network")
