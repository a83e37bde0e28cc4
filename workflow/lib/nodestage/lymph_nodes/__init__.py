"""Class-agnostic segmentation of lymph nodes, with and without the attention map (section III-A).

A job imports the module that it needs, so that a prediction does not load nnU-Net's trainer and a
change in the training's code reruns no prediction:

- `lymph_nodes.variants`    what each network is: blocks, map, loss, sampler
- `lymph_nodes.training`    `train_fold`: every network that a fold needs, in one process
- `lymph_nodes.prediction`  `predict`: one patient, one network
- `lymph_nodes.instances`   connected components, the rows of the table of instances
- `lymph_nodes.stations`    the station of a node, and how doubtful it is
- `lymph_nodes.appearance`  what an instance looks like, in numbers
- `lymph_nodes.consensus`   the nodes of one patient, over several folds
- `lymph_nodes.crossfitting`  which patients each network of a fold learns from, and which it measures
"""
