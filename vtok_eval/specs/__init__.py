"""Spec strings: how a system is named, and how its name becomes the thing itself."""
