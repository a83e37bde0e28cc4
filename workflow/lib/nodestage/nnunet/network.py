"""A segmentation network from plans, without importing nnU-Net's trainer."""

import warnings

CONFIGURATION = "3d_fullres"


def configuration(plans):
    """The one configuration that our plans hold."""
    return plans["configurations"][CONFIGURATION]


def patch_size(plans):
    """Size of one window in voxels (z, y, x)."""
    return tuple(int(n) for n in configuration(plans)["patch_size"])


def coarse_shape(plans, shape):
    """Size (z, y, x) of an image on the network's voxels, or None where they are the image's."""
    voxel, image = configuration(plans)["spacing"], plans["image_spacing"]
    if voxel == image:
        return None
    # As nnU-Net's preprocessor rounds it.
    return tuple(round(i / j * k) for i, j, k in zip(image, voxel, shape, strict=True))


def number_of_channels(dataset_json):
    """Input channels, an attention map among them."""
    return len(dataset_json["channel_names"])


def number_of_classes(dataset_json):
    """Output channels: one per label, background among them."""
    return len(dataset_json["labels"])


def build(plans, dataset_json, deep_supervision=False):
    """nnU-Net's U-Net of these plans, with freshly drawn weights."""
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    from nodestage.nnunet.rectified import join

    architecture = configuration(plans)["architecture"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        unet = get_network_from_plans(
            architecture["network_class_name"],
            architecture["arch_kwargs"],
            architecture["_kw_requires_import"],
            number_of_channels(dataset_json),
            number_of_classes(dataset_json),
            allow_init=True,
            deep_supervision=deep_supervision,
        )
    return join(unet)
