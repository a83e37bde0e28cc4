"""Augmentation that moves the attention map with the images and leaves its values alone."""

from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform, ImageOnlyTransform
from batchgeneratorsv2.transforms.utils.random import RandomTransform


class ImagesOnly(BasicTransform):
    """Apply a transform of intensities to every channel but the last, which is the map."""

    def __init__(self, transform):
        super().__init__()
        self.transform = transform

    def get_parameters(self, **data_dict):
        """Draw as the transform draws, without the map."""
        return self.transform.get_parameters(**_without_map(data_dict))

    def apply(self, data_dict, **params):
        """Apply the transform to the images alone."""
        image = data_dict["image"]
        changed = self.transform.apply(_without_map(data_dict), **params)["image"]
        if changed.data_ptr() != image.data_ptr():  # else it was changed in place
            image[:-1] = changed
        return data_dict


def spare_map(transforms):
    """Wrap each intensity transform of nnU-Net's pipeline in `ImagesOnly`, in place.

    Spatial transforms and mirroring stay as they are: they move all channels alike.
    """
    transforms.transforms = [
        ImagesOnly(transform) if _changes_intensity(transform) else transform
        for transform in transforms.transforms
    ]
    return transforms


def _changes_intensity(transform):
    while isinstance(transform, RandomTransform):
        transform = transform.transform
    return isinstance(transform, ImageOnlyTransform)


def _without_map(data_dict):
    return {"image": data_dict["image"][:-1]}
