"""What each step of the method reads from simulated patients, from the cue itself to the whole.

    OMP_NUM_THREADS=1 python benchmarks/ladder.py tumor --train 96 --test 120 --seed 6
    OMP_NUM_THREADS=1 python benchmarks/ladder.py tumor --masks predicted --folder work/ladder

Every rung is one line; the last line is the score of the ladder's last rung alone, `AUC 0.88 [0.82,
0.94], train 0.95`: on patients that nothing learned from, with DeLong's interval, and on the
training patients. Settings are those of config/larger.yaml, organs are the true ones. Patients,
masks and models are kept in the folder: a run that was stopped goes on, another choice of rungs
uses what is there.
"""

import argparse
import importlib
import sys
from pathlib import Path

import torch
from rungs.patients import Patients

LADDERS = ("tumor", "nodes", "combined")


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ladder", choices=LADDERS)
    parser.add_argument("--train", type=int, default=96, help="patients to learn from")
    parser.add_argument("--test", type=int, default=120, help="patients to test on")
    parser.add_argument("--seed", type=int, default=1, help="of simulator and networks")
    parser.add_argument("--folder", type=Path, default=Path("ladder"), help="what is kept")
    parser.add_argument("--masks", choices=["true", "predicted"], default="true", help="of tumors")
    parser.add_argument("--methods", nargs="+", help="patient networks of the ladder `tumor`")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    folder = options.folder / f"seed{options.seed}"
    patients = Patients(folder, options.seed, options.train, options.test)
    importlib.import_module(f"rungs.{options.ladder}").climb(patients, options)


if __name__ == "__main__":
    main(sys.argv[1:])
