"""Whether a tokenizer follows the protocol: what `vtok-eval check` finds, and the line that would fix it."""
