"""Rendered clips whose content is known exactly."""
