"""Whether a tokenizer keeps the protocol: what `vtok-eval check` finds, and the line that would mend it."""
