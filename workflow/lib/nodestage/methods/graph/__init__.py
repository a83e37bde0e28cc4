"""Methods that represent a patient as a set: its lymph-node candidates and its tumor. Beyond the paper.

The paper describes tumor and nodes apart, and of all nodes keeps the volume of the largest positive
one. Here each candidate counts by its probabilities, size and position. The order of the candidates
does not matter, and a patient without any has a score too.

- `elements`       what is read of a candidate and of the tumor
- `network`        a small network over candidates, with messages by distance
- `node_graph`     that network
- `shares`         what each candidate adds to its score, in the table of scores
- `node_order`     logistic regression on the most suspicious candidates
- `node_noisy_or`  probability of any positive node, with a weight for size that is learned
"""
