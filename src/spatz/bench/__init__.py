"""`spatz bench`: the speed of this machine, of the model on it, and of a peer beside it."""
