"""Scripts that train readers of tokens many times over: how much they depend on clips, photos and recipes."""
