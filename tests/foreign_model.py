"""The folder of a nnU-Net v2 model that somebody else trained."""

import json

import numpy as np
import torch

from nodestage.nnunet import network, plans

SPACING = (3.0, 2.0, 2.0)
LABELS = {"background": 0, "Spleen": 1, "liver tumor": 2, "aorta": 3}


def folder_of_a_model(folder, seeds=(0, 1), spacing=SPACING, labels=LABELS, change=lambda p: None):
    """What nnU-Net leaves behind, with random weights; (plans, weights of each fold)."""
    settings = {
        "patch_size": [8, 16, 16],
        "features": [4, 8, 8],
        "convolutions": 1,
        "batch_size": 2,
    }
    plan = plans.make_plans("x", [(12, 20, 24)], spacing, ["CT"], 3, settings)
    dataset = {"channel_names": {"0": "CT"}, "labels": labels, "numTraining": 3}
    theirs = json.loads(json.dumps(plan.plans)) | {"transpose_forward": [0, 1, 2]}
    change(theirs)
    folder.mkdir()
    (folder / "plans.json").write_text(json.dumps(theirs), encoding="utf-8")
    (folder / "dataset.json").write_text(json.dumps(dataset), encoding="utf-8")
    states = []
    for fold, seed in enumerate(seeds):
        torch.manual_seed(seed)
        states.append(network.build(plan.plans, plan.dataset_json).state_dict())
        (folder / f"fold_{fold}").mkdir()
        torch.save(
            {
                "network_weights": {f"_orig_mod.{k}": v for k, v in states[-1].items()},
                "optimizer_state": {"state": {}, "param_groups": [{"lr": 0.01}]},
                "grad_scaler_state": None,
                "logging": {"mean_fg_dice": [np.float64(0.5)], "train_losses": [np.float32(0.25)]},
                "_best_ema": np.float64(0.7),
                "current_epoch": 1000,
                "init_args": {"configuration": "3d_fullres", "device": torch.device("cpu")},
                "trainer_name": "nnUNetTrainer",
                "inference_allowed_mirroring_axes": (0, 1, 2),
            },
            folder / f"fold_{fold}" / "checkpoint_final.pth",
        )
    return plan, states
