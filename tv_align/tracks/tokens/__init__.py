"""TV-Align's track `read`: whether a probe on frozen tokens tells true text from its counterfactuals."""
