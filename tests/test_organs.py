"""Organs: teacher, pseudo labels, student, and their evaluation."""

import numpy as np
import pytest

from nodestage import organs
from nodestage.core.errors import InputError
from nodestage.core.volumes import Volume

SPACING = (2.5, 2.2, 2.2)
SETTINGS = {
    "patch_size": [16, 16, 16],
    "features": [6, 12, 12],
    "batch_size": 2,
    "convolutions": 1,
    "epochs": 5,
    "iterations_per_epoch": 10,
    "validation_iterations": 1,
    "initial_lr": 0.05,
    "momentum": 0.9,
    "mirror_axes": [],
}


def make_patient(seed, shape=(16, 18, 20)):
    """Two boxes: label 1 bright in both phases, label 2 in the arterial phase only."""
    random = np.random.default_rng(seed)
    labels = np.zeros(shape, np.uint8)
    z, y = random.integers(2, 6, 2)
    labels[z : z + 8, y : y + 8, 2:9] = 1
    labels[z : z + 8, y : y + 8, 11:18] = 2
    phases = {
        "arterial": random.normal(0, 15, shape) + 80 * (labels == 1) + 200 * (labels == 2),
        "venous": random.normal(0, 15, shape) + 80 * (labels == 1) - 120 * (labels == 2),
    }
    phases = {name: Volume(array.astype(np.int16), SPACING) for name, array in phases.items()}
    return f"p{seed}", phases, Volume(labels, SPACING)


def dice(a, b):
    return 2 * np.sum(a & b) / max(1, np.sum(a) + np.sum(b))


def test_teacher_and_student_learn_from_one_another(tmp_path):
    """The teacher knows label 1 alone; label 2 is drawn by hand; the student learns both."""
    first = [make_patient(i) for i in range(3)]
    drawn = [
        (p, v, m.with_array(np.where(m.array == 1, 1, 0).astype(np.uint8))) for p, v, m in first
    ]
    organs.train_teacher(
        drawn, organs.Training(SETTINGS, 1, tmp_path / "teacher.pt", tmp_path / "w1", classes=1)
    )
    assert not (tmp_path / "w1").exists()
    teacher = organs.open_model(tmp_path / "teacher.pt")

    merged = []
    for patient, phases, labels in (make_patient(i) for i in range(10, 14)):
        pseudo = organs.pseudo_labels(
            teacher, phases["arterial"].array, phases["venous"].array, SPACING
        )
        assert dice(pseudo == 1, labels.array == 1) > 0.8
        found = organs.merge(pseudo, labels.array, [2])
        assert np.array_equal(found == 2, labels.array == 2)
        merged.append((patient, phases, labels.with_array(found)))

    organs.train_student(
        merged[:3],
        merged[3:],
        organs.Training(SETTINGS, 1, tmp_path / "student.pt", tmp_path / "w2", classes=2),
    )
    student = organs.open_model(tmp_path / "student.pt")
    _, phases, labels = make_patient(20)
    found = organs.predict(student, phases["arterial"].array, phases["venous"].array, SPACING)
    assert dice(found == 1, labels.array == 1) > 0.8
    assert dice(found == 2, labels.array == 2) > 0.8
    # Both phases are used: without contrast in the arterial one, label 2 looks like nothing.
    blind = organs.predict(student, 0 * phases["arterial"].array, phases["venous"].array, SPACING)
    assert dice(blind == 2, labels.array == 2) < dice(found == 2, labels.array == 2)


def test_a_patient_without_a_phase_is_named():
    patient, phases, labels = make_patient(0)
    del phases["arterial"]
    with pytest.raises(InputError, match="p0: `arterial` is missing"):
        organs.train_student(
            [(patient, phases, labels)], [], organs.Training(SETTINGS, 1, "unused", "unused")
        )


def test_a_label_beyond_the_classes_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"p0: the mask has a label 2.*`label_system`"):
        organs.train_student(
            [make_patient(0)],
            [],
            organs.Training(SETTINGS, 1, tmp_path / "m.pt", tmp_path, classes=1),
        )


def test_annotated_classes_are_decided_by_hand_alone():
    pseudo = np.array([[[1, 16, 16, 17, 0, 0]]])
    annotated = np.array([[[0, 16, 0, 0, 18, 3]]])
    merged = organs.merge(pseudo, annotated, [16, 17, 18, 19])
    assert merged.tolist() == [[[1, 16, 0, 0, 18, 0]]]  # 3 was not annotated: it doesn't count


@pytest.mark.parametrize("share, kept", [(0.1, [5, 1]), (0.3, [5]), (1, [5]), ({1: 0.3}, [5])])
def test_pieces_small_beside_the_largest_go(share, kept):
    labels = np.zeros((3, 3, 12), np.uint8)
    labels[1, 1, :5] = 1
    labels[1, 1, 8] = 1
    labels[1, 1, 10] = 2  # the only piece of its organ stays
    found = organs.clean(labels, share)
    assert [n for n in (found[..., :6].sum(), (found[..., 6:] == 1).sum()) if n] == kept
    assert (found == 2).sum() == 1


def test_evaluation_at_study_and_thick_slices():
    truth = np.zeros((9, 8, 8), np.uint8)
    truth[2:7, 2:6, 2:6] = 3
    shifted = np.roll(truth, 1, axis=2)
    rows = organs.evaluate(truth, shifted, (2.5, 2.0, 2.0), {"liver": 3, "spleen": 1})
    study = {row["organ"]: row for row in rows if row["slices"] == "study"}
    thick = {row["organ"]: row for row in rows if row["slices"] == "thick"}
    assert study["liver"]["dice"] == pytest.approx(0.75)
    assert study["liver"]["hd_mm"] == pytest.approx(2.0)
    assert thick["liver"]["spacing_z_mm"] == 5.0
    assert thick["liver"]["truth_voxels"] == 3 * 16  # slices 2, 4, 6 of 2.5 mm
    assert study["spleen"]["dice"] is None and study["spleen"]["hd95_mm"] is None


class Sees:
    """A teacher that marks label 1 where the phase is bright, and label 2 nowhere."""

    def labels(self, channels, spacing, **how):
        (image,) = channels
        return np.where(image > 50, 1, 0).astype(np.uint8)


def rows_of_table_3(stand_in=None, learned=(1,)):
    patient, phases, truth = make_patient(4)
    images = {name: volume.array for name, volume in phases.items()}
    rows = organs.evaluate_networks(
        organs.Case(patient, truth.array, images, SPACING, stand_in),
        {"liver": 1, "lga": 2},
        student=truth.array,
        teacher=Sees(),
        learned=learned,
    )
    return {(r["network"], r["phases"], r["organ"]): r for r in rows if r["slices"] == "study"}


def test_table_3_has_the_teacher_on_each_phase_beside_the_student():
    rows = rows_of_table_3()
    assert len(rows) == 3 * 2
    arterial, venous = (rows["teacher", phase, "liver"] for phase in "AV")
    # Label 2 is as bright in the arterial phase: there this teacher takes it for label 1.
    assert 0.5 < arterial["dice"] < 0.8 < venous["dice"] < 1
    assert rows["student", "A+V", "liver"]["dice"] == rows["student", "A+V", "lga"]["dice"] == 1


def test_table_3_predicts_the_teacher_as_it_labelled_the_discovery_patients():
    asked = []

    class Asked(Sees):
        def labels(self, channels, spacing, **how):
            asked.append(how)
            return super().labels(channels, spacing)

    patient, phases, truth = make_patient(4)
    images = {name: volume.array for name, volume in phases.items()}
    organs.evaluate_networks(
        organs.Case(patient, truth.array, images, SPACING),
        {"liver": 1},
        student=truth.array,
        teacher=Asked(),
        learned=(1,),
        mirror=True,
    )
    assert asked == [{"mirror": True}] * 2


def test_what_the_teacher_has_not_learned_has_no_value_and_says_why():
    row = rows_of_table_3()["teacher", "V", "lga"]
    assert row["dice"] is row["asd_mm"] is row["predicted_voxels"] is None
    assert row["truth_voxels"] > 0 and "teacher learned" in row["note"]
    learned = rows_of_table_3(learned=(1, 2))["teacher", "V", "lga"]
    assert learned["dice"] == 0 and learned["note"] == "prediction empty"
    assert organs.labels_in([{"volume_mm3": {"1": 2.5}}, {"given": False}]) == {1}


def test_a_phase_that_stands_in_for_the_other_is_no_phase_of_its_own():
    rows = rows_of_table_3(stand_in="venous")
    assert {(network, phases) for network, phases, _ in rows} == {
        ("teacher", "V"),
        ("student", "A+V"),
    }
    assert rows["student", "A+V", "liver"]["note"] == "venous phase twice"


class Teacher:
    """A network whose probabilities follow from the image."""

    def __init__(self):
        self.calls = 0

    def box(self, phases, spacing):
        return tuple(slice(0, n) for n in phases[0].shape)

    def labels(self, images, spacing, softmax, **options):
        self.calls += 1
        share = np.clip(images[0] / 100, 0, 1).astype(np.float32)
        return None, np.stack([1 - share, share])


def test_one_phase_in_place_of_both_is_labelled_once():
    arterial = np.full((2, 3, 4), 80, np.int16)
    venous = np.full((2, 3, 4), 10, np.int16)
    for phases, calls, label in (
        ((arterial, arterial.copy()), 1, 1),
        ((venous, venous.copy()), 1, 0),
        ((arterial, venous), 2, 0),
        ((arterial, None), 1, 1),
    ):
        teacher = Teacher()
        found = organs.pseudo_labels(teacher, *phases, (1, 1, 1))
        assert np.all(found == label) and teacher.calls == calls
