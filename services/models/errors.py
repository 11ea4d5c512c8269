"""What can be wrong with a model, or with what is asked of the catalogue."""

from __future__ import annotations

from solo.errors import SoloError


class ModelUnknown(SoloError):
    """The catalogue has no such model."""

    code = "models.unknown"


class ModelRefused(SoloError):
    """The model did not pass the checks and is not used."""

    code = "models.refused"


class ModelExists(SoloError):
    """There is a file of this name already, and it is not overwritten."""

    code = "models.exists"


class ModelProtected(SoloError):
    """This model is not removed by Solo."""

    code = "models.protected"


class ModelLoaded(SoloError):
    """The model is loaded."""

    code = "models.loaded"


class BadName(SoloError):
    """A model file cannot be called so."""

    code = "models.bad_name"


class BadSource(SoloError):
    """A model cannot be fetched from there."""

    code = "models.bad_source"


class AddressForbidden(SoloError):
    """Solo does not fetch from this address."""

    code = "models.address_forbidden"


class FetchFailed(SoloError):
    """The model could not be fetched."""

    code = "models.fetch_failed"


class ChecksumWrong(SoloError):
    """The file that came is not the one that was asked for."""

    code = "models.checksum"


class FileTooLarge(SoloError):
    """The file is larger than the setting allows."""

    code = "models.too_large"


class NoSpace(SoloError):
    """The disk has no room for the file."""

    code = "models.no_space"


class FileBusy(SoloError):
    """A file of this name is being fetched or copied already."""

    code = "models.busy"


class FileUnreadable(SoloError):
    """The file cannot be read or written."""

    code = "models.unreadable"


class CheckUnavailable(SoloError):
    """The model could not be tried, which says nothing about the model."""

    code = "models.check_unavailable"
