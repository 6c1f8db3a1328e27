"""A label for an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ipfs_accelerate.inference.choice import CallShape
from ipfs_accelerate.inference.images import ImageProcessor, as_images
from ipfs_accelerate.inference.scores import LabelScore, labels_of, top
from ipfs_accelerate.inference.tasks.protocol import Encoded, Pipeline
from ipfs_accelerate.inference.tasks.text_classification import ClassificationOptions, class_scores

if TYPE_CHECKING:
    from ipfs_accelerate.inference.feeding import Tensors
    from ipfs_accelerate.models import ModelArtifact

__all__ = ["PIPELINE", "ImageClassification"]


class ImageClassification(Pipeline):
    """Returns the best labels of each image, best first."""

    name: ClassVar[str] = "image-classification"
    summary: ClassVar[str] = "Labels of an image with scores."
    option_type: ClassVar[type] = ClassificationOptions
    takes: ClassVar[str] = "image"

    def __init__(self, artifact: ModelArtifact) -> None:
        super().__init__(artifact)
        self.processor = ImageProcessor.of(artifact)

    def encode(self, inputs: object, options: Any) -> Encoded:  # noqa: ANN401 (option_type)
        """See `Pipeline.encode`."""
        images, is_single = as_images(inputs)
        pixels = self.processor(images)
        shape = CallShape(len(images), {"image": pixels.shape[2]})
        return Encoded({"pixel_values": pixels}, shape, options, is_single)

    def decode(
        self, outputs: Tensors, encoded: Encoded
    ) -> list[LabelScore] | list[list[LabelScore]]:
        """See `Pipeline.decode`."""
        scores = class_scores(self.artifact, outputs["logits"], encoded.options.function)
        labels = labels_of(self.artifact, scores.shape[1])
        rows = [top(row, labels, encoded.options.top_k) for row in scores]
        return rows[0] if encoded.is_single else rows


PIPELINE = ImageClassification
