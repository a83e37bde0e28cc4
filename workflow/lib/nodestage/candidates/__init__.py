"""Which candidates are lymph nodes at all: a step beyond the paper (`identification.candidates`).

Identification learns from annotated nodes alone, so it has never seen what the segmentation takes
for a node and isn't. Here that third class is learned, from the candidates that inner networks
find in training patients whom they never saw.

- `candidates.forest`      trees as plain arrays
- `candidates.training`    a fold's forests, and the cuts that its validation patients choose
- `candidates.prediction`  features and probabilities of candidates
- `candidates.patients`    a patient's numbers from candidates, as methods read them
"""
