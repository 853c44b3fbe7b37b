"""vtok-eval: are a video tokenizer's tokens worth what they cost?"""

__version__ = "0.1.0"
