"""nnU-Net's patch sampler, with informative negative selection (section III-A)."""

from functools import cached_property

import numpy as np
import torch
from acvl_utils.cropping_and_padding.bounding_boxes import crop_and_pad_nd
from threadpoolctl import ThreadpoolController

from nodestage.lymph_nodes.variants import SMALLEST_ATTENTION
from nodestage.nnunet.trainer import Loader

# After so many empty draws a patch is centered on an attended voxel instead of drawn again.
MOST_DRAWS = 20


class InformativeLoader(Loader):
    """Batches as nnU-Net draws them, in which a patch without attention is drawn again.

    A patch that must hold a lymph node stays as nnU-Net draws it, with or without attention. Every other one
    is drawn from nnU-Net's distribution until it holds attention > 0, once where it is cut
    out and once more after rotation and scaling, which may move its attention out of sight. A
    patient without any attention gives what was drawn last.

    Batches carry `draws`: how many patches were drawn as the stock sampler would, how many of
    them were empty, and how many of those delivered are.
    """

    @cached_property
    def _libraries(self):
        # Found once: nnU-Net's `threadpool_limits` searches the process's memory map at every batch,
        # a twentieth of a small network's step.
        return ThreadpoolController()

    def generate_train_batch(self):
        """A batch of patches, and what `draws` counts."""
        patients = self.get_indices()
        samples, draws = [], np.zeros(3, dtype=np.int64)
        with torch.no_grad(), self._libraries.limit(limits=1):
            for index, patient in enumerate(patients):
                sample, drawn = self._sample(patient, self.get_do_oversample(index))
                samples.append(sample)
                draws += drawn
        targets = [sample["segmentation"] for sample in samples]
        if isinstance(targets[0], list):
            targets = [torch.stack(scale) for scale in zip(*targets, strict=True)]
        else:
            targets = torch.stack(targets)
        data = torch.stack([sample["image"] for sample in samples]).float()
        return {"data": data, "target": targets, "keys": patients, "draws": draws}

    def _sample(self, patient, force_foreground):
        """One augmented patch, and what its first draw and the patch itself add to `draws`."""
        data, labels, _, properties = self._data.load_case(patient)
        locations = properties["class_locations"]
        force_foreground = force_foreground and any(len(voxels) for voxels in locations.values())
        first_empty = None
        for draw in range(MOST_DRAWS + 1):
            low, high = self.get_bbox(data.shape[1:], force_foreground, locations)
            if not force_foreground:
                empty = not self._attended(data, low)
                if first_empty is None:
                    first_empty = empty
                if draw == MOST_DRAWS:
                    low, high = self._around_attention(data, low)
                elif empty:
                    continue
            sample = self._cut(data, labels, low, high)
            empty = not bool((sample["image"][-1] > 0).any())
            if force_foreground or not empty:
                break
        if first_empty is None:  # a foreground patch, taken as it came
            first_empty = empty
        return sample, (1, first_empty, empty)

    def _attended(self, data, low):
        """Whether the middle of a drawn box, which is what augmentation keeps, has attention."""
        margin = (np.array(self.patch_size) - self.final_patch_size) // 2
        low = np.array(low) + margin
        high = np.minimum(low + self.final_patch_size, data.shape[1:])
        box = tuple(slice(max(a, 0), max(b, 0)) for a, b in zip(low, high, strict=True))
        return bool((np.asarray(data[(data.shape[0] - 1, *box)]) > 0).any())

    def _around_attention(self, data, low):
        """A box centered on an attended voxel; the box at `low` where there is none."""
        attended = np.flatnonzero(np.asarray(data[data.shape[0] - 1]) > 0)
        if len(attended):
            center = np.unravel_index(np.random.choice(attended), data.shape[1:])
            low = [c - size // 2 for c, size in zip(center, self.patch_size, strict=True)]
        return low, [a + size for a, size in zip(low, self.patch_size, strict=True)]

    def _cut(self, data, labels, low, high):
        """The augmented patch of a box: `image` (channels, z, y, x) and `segmentation`."""
        box = [[a, b] for a, b in zip(low, high, strict=True)]
        image = torch.from_numpy(crop_and_pad_nd(data, box, 0)).float()
        target = crop_and_pad_nd(labels, box, -1, cast_cropped_to=np.int16)
        sample = self.transforms(image=image, segmentation=torch.from_numpy(target).to(torch.int16))
        attention = sample["image"][-1]
        attention[attention < SMALLEST_ATTENTION] = 0
        return sample
