"""The tokenizers under test, the backbones they stand on, and how a spec string becomes one."""
