"""The options of a probe and its training that suites may set, checked where they come in."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vtok_eval.errors import SuiteError

if TYPE_CHECKING:
    from vtok_eval.probes.options.recipe import Recipe

Count = Annotated[int, Field(ge=1, strict=True)]
Rate = Annotated[float, Field(gt=0, le=1)]
Seed = Annotated[int, Field(ge=0, strict=True)]


class TrainingOptions(BaseModel):
    """What every probe is trained with; the same values hold for every tokenizer of the suite.

    width: the probe's channels, a multiple of `heads`. heads: the probe's attention heads.
    epochs: passes over the training split. batch_size: training clips per step. optimizer: muon or adamw.
    weight_decay: the optimizer's weight decay, 0 to 10. learning_rates:
    each is tried; the one with the best validation score is kept, per system and probe seed.
    max_channels: groups of features with more are reduced to as many by a PCA of the training split, so that
    no tokenizer gives the probe more parameters to learn than another. keep: the reader after the "last"
    epoch, or after the "best" one by the validation score, a choice that adds the validation clips' noise.

    Example:
        >>> TrainingOptions(epochs=4).recipe(n_frames=16).learning_rates
        (0.1,)
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: Count = 128
    heads: Count = 8
    epochs: Count = 8
    batch_size: Count = 64
    optimizer: Literal["muon", "adamw"] = "muon"
    learning_rates: Annotated[tuple[Rate, ...], Field(min_length=1)] = (0.1,)
    weight_decay: Annotated[float, Field(ge=0, le=10)] = 0.5
    max_channels: Count | None = 152
    keep: Literal["last", "best"] = "last"

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width ({self.width}) must be a multiple of heads ({self.heads})")
        return self

    def recipe(self, *, n_frames: int) -> Recipe:
        """The recipe for clips of `n_frames` frames."""
        from vtok_eval.probes.options.recipe import Recipe

        return Recipe(
            width=self.width,
            heads=self.heads,
            n_frames=n_frames,
            epochs=self.epochs,
            batch_size=self.batch_size,
            optimizer=self.optimizer,
            learning_rates=self.learning_rates,
            weight_decay=self.weight_decay,
            max_channels=self.max_channels,
            keep=self.keep,
        )


Options = TypeVar("Options", bound=BaseModel)
Class = TypeVar("Class")


def takes_options(schema: type[BaseModel]) -> Callable[[type[Class]], type[Class]]:
    """A decorator of a class whose constructor takes exactly the options of `schema`, as keywords.

    `inspect.signature` of the class gives their names, types and defaults, which only `schema` states; the
    attribute `option_schema` is the schema, whose docstring describes them.

    Example:
        >>> class Sides(BaseModel):
        ...     side: int = 64
        >>> @takes_options(Sides)
        ... class Square:
        ...     def __init__(self, **options: object) -> None:
        ...         self.options = check_options(Sides, options, benchmark="square")
        >>> inspect.signature(Square)
        <Signature (*, side: int = 64) -> None>
        >>> Square(side=32).options.side
        32
    """

    def with_signature(cls: type[Class]) -> type[Class]:
        vars_of_class: Any = cls  # Any: typeshed does not know __signature__, which inspect reads
        vars_of_class.__signature__ = inspect.signature(schema)
        vars_of_class.option_schema = schema
        return cls

    return with_signature


def check_options(schema: type[Options], options: Mapping[str, object], *, benchmark: str) -> Options:
    """The options as a checked whole.

    Raises:
        SuiteError: naming the first option that is wrong, and what was expected.

    Example:
        >>> check_options(TrainingOptions, {"epochs": 0}, benchmark="mine")
        Traceback (most recent call last):
        vtok_eval.errors.SuiteError: mine: option epochs: Input should be greater than ... (given: 0)
    """
    try:
        return schema.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        subject = f"option {where}" if where else "options"
        given = f" (given: {first['input']!r})" if where else ""
        message = first["msg"].removeprefix("Value error, ")
        raise SuiteError(f"{benchmark}: {subject}: {message}{given}") from error
