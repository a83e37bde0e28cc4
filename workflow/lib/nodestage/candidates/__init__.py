"""Which candidates are lymph nodes at all: a step beyond the paper (`identification.candidates`).

Identification learns from annotated nodes alone, not from false positives of the segmentation. Here
that third class is learned, from the candidates that inner networks segment in training patients
that they were not trained on.

- `candidates.forest`      trees as plain arrays
- `candidates.training`    a fold's forests, and the cuts that its validation patients choose
- `candidates.prediction`  features and probabilities of candidates
- `candidates.patients`    a patient's numbers from candidates, as methods read them
"""
