"""How a network is trained: what a training states, the loop over its passes and the scores."""
