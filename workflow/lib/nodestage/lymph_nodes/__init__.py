"""Class-agnostic segmentation of lymph nodes, with and without the attention map (section III-A).

What a job needs is imported from the module that holds it, so that a prediction never waits for
nnU-Net's trainer and a change in the training reruns no prediction by its code alone:

- `lymph_nodes.variants`    what each network is: blocks, map, loss, sampler
- `lymph_nodes.training`    `train_fold`: every network that a fold needs, in one process
- `lymph_nodes.prediction`  `predict`: one patient, one network
- `lymph_nodes.instances`   connected components, the rows of the table of instances
- `lymph_nodes.stations`    the station of a node, and the doubt about it
- `lymph_nodes.table`       the columns of that table, and which of its rows are positive
- `lymph_nodes.crossfitting`  who learns from whom in a fold, and which network may measure whom
"""
