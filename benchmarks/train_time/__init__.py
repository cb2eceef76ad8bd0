"""The whole of `funcnn train` beside the same training in Flax NNX and PyTorch."""
