"""The calibration that a run makes of its judge before it asks it: on rendered clips, kept in the cache."""

from __future__ import annotations

import hashlib
import json
import logging

from tv_align.calibration.calibrate import calibrate
from tv_align.calibration.control_set import scenes_control_set
from tv_align.calibration.report import Calibration, read_calibration, write_calibration
from tv_align.judges.judge import Judge
from tv_align.scenes.prompts import SEED
from vtok_eval.errors import SpecError
from vtok_eval.files.cache_folder import cache_folder

PER_LEVEL = 25
"""Rendered clips a category and level, as `vtok-eval tv-align calibrate` takes where nothing else is said."""

CONTROL_SET = f"rendered scenes, validation split, seed {SEED}"
_VERSION = 1
"""Raised whenever an equal judge could be given other clips or questions."""

log = logging.getLogger(__name__)


def is_calibrated_by_runs(judge: Judge) -> bool:
    """Whether a run calibrates the judge itself: all do but those that ask a server or people.

    Example:
        >>> from tv_align.judges.constant import AlwaysYes
        >>> is_calibrated_by_runs(AlwaysYes())
        True
    """
    return bool(getattr(judge, "calibrated_by_runs", True))


def calibration_of(judge: Judge, *, per_level: int = PER_LEVEL) -> Calibration:
    """The judge's errors on rendered clips of the validation split, measured here or taken from the cache.

    It is kept by what the judge says of itself: name, options, weights and code.

    Raises:
        MissingDependencyError: nothing can be judged or rendered here.
        RunFolderError: the cache folder cannot be written.
    """
    facts = [_VERSION, judge.name, judge.describe().identity(), CONTROL_SET, per_level]
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    path = cache_folder() / "judges" / f"{key}.json"
    if path.is_file():
        try:
            return read_calibration(path)
        except SpecError as error:
            log.warning("%s; calibrating again", error)
    items = scenes_control_set(per_level=per_level)
    log.info("calibrating the judge %s on %d clips whose truth is known", judge.name, len(items))
    found = calibrate(judge, items, control_set=CONTROL_SET)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_calibration(found, path)
    return found
