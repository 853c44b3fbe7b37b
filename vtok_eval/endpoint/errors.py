"""What can go wrong at an endpoint, as lines a user can act on; none of them ever holds a key."""

from __future__ import annotations

from vtok_eval.errors import MissingDependencyError, VtokEvalError


class EndpointError(VtokEvalError):
    """One request got no answer: it was refused, or failed at every attempt."""


class EndpointUnavailableError(MissingDependencyError):
    """No request would get an answer: the server is down, the key or model is wrong, a ceiling is reached.

    It ends the run, as any missing dependency does; what was answered is cached, so the next run goes on.
    """
