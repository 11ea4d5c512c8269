"""What can keep a question from being answered, by name."""

from __future__ import annotations

from services.llm.engine import PromptTooLong
from services.llm.remote import RemoteRefused
from solo.errors import SoloError
from solo.isolation.engine import BadEngineInput, InputQuarantined


class UnknownModel(SoloError):
    """There is no model of this name."""

    code = "llm.unknown_model"


class NoVision(SoloError):
    """No model that takes pictures is set."""

    code = "llm.no_vision"


class LLMBusy(SoloError):
    """Too many questions wait for this model."""

    code = "llm.busy"


class ModelLoading(SoloError):
    """The model is being loaded; the load goes on."""

    code = "llm.loading"
    retryable = True


class NoMemory(SoloError):
    """The model does not fit the memory that models may have."""

    code = "llm.no_memory"


class ModelUnavailable(SoloError):
    """The model has failed too often and is left alone for a while."""

    code = "llm.unavailable"


class ModelInUse(SoloError):
    """The model plays the role dialog, which must always be answered."""

    code = "llm.in_use"


class ModelUnloaded(SoloError):
    """Loading the model was called off."""

    code = "llm.unloaded"


_OF_THE_QUESTION = (BadEngineInput, PromptTooLong, RemoteRefused, UnknownModel, NoVision)
_OF_THE_MOMENT = (LLMBusy, ModelLoading, NoMemory, ModelUnavailable, ModelUnloaded, InputQuarantined)


def of_the_question(error: SoloError) -> bool:
    """No other model would answer it either."""
    return isinstance(error, _OF_THE_QUESTION)


def of_the_model(error: SoloError) -> bool:
    """It counts against the model that it was asked of."""
    return not isinstance(error, _OF_THE_QUESTION + _OF_THE_MOMENT)


def again(error: SoloError) -> SoloError:
    """The same error for another asker."""
    return SoloError.from_wire(error.to_wire())


def first_of(group: BaseException) -> SoloError:
    """The named error in a group of them, as task groups make."""
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    assert isinstance(group, SoloError)
    return group
