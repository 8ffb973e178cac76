"""A file of a dataset on the Hugging Face hub, by huggingface_hub's own means.

Retries, progress, cache, login, ``HF_ENDPOINT``, ``HF_HUB_OFFLINE`` and the like are that library's, and work
as its documentation says. It does not check what has come against a checksum; who calls this does.
"""

import os
from contextlib import suppress
from pathlib import Path

from erkt import __version__
from erkt.data.benchmarks import HubFile
from erkt.errors import ErktError


def download(file: HubFile, wrong: Path | None = None) -> Path:
    """Return where ``file`` lies in the cache of huggingface_hub, having fetched it if it was not there.

    ``wrong`` is what an earlier call returned, if its bytes were not the right ones: then it is fetched anew.
    The file is the cache's: copy it, do not change or link it.

    Raises ErktError in one line with what to do: no access, no such repository, revision or file, offline and
    not in the cache, no connection, or anything else that the library raises.
    """
    # Read when the library is imported. With telemetry it also sends what is installed and who runs it.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import hf_hub_download

    if wrong is not None:
        # Else the library goes on returning it, should the server now have another name for the version.
        with suppress(OSError):
            wrong.unlink()
    try:
        path = hf_hub_download(
            file.repository,
            file.filename,
            repo_type="dataset",
            revision=file.revision,
            library_name="erkt",
            library_version=__version__,
            force_download=wrong is not None,
        )
    except Exception as error:  # its HTTP library, and so what it raises, has changed from version to version
        raise ErktError(
            f"{file}: {_reason(error, file)}; or set dataset.location to a copy of {file.filename} you have"
        ) from error
    return Path(path)


def _reason(error: Exception, file: HubFile) -> str:
    """Return what went wrong and what to do about it."""
    from huggingface_hub import errors

    login = "log in with 'hf auth login' or set HF_TOKEN"
    cause = error.__cause__
    if isinstance(cause, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set and the file is not in the cache; unset it, or fill the cache first"
    if isinstance(error, ValueError) and isinstance(cause, Exception):
        return _reason(cause, file)  # how a file that is asked for anew fails
    if isinstance(error, errors.GatedRepoError):
        return f"its owner grants access on request; ask for it on the dataset's page, then {login}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"there is no such dataset, or it is not yours to read; {login} if you have access"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"the pinned revision {file.revision} is no longer there"
    if isinstance(error, errors.LocalEntryNotFoundError):
        if isinstance(cause, errors.FileMetadataError):
            return "what answered is no Hugging Face hub; check HF_ENDPOINT and your proxy"
        if isinstance(cause, errors.HfHubHTTPError):
            return _refused(cause.response.status_code, login)
        return "no connection to the hub, and the file is not in the cache; check the network, then try again"
    if isinstance(error, errors.EntryNotFoundError):
        return f"revision {file.revision} has no such file"
    if isinstance(error, errors.HfHubHTTPError):
        return _refused(error.response.status_code, login)
    text = " ".join(str(error).split()) or type(error).__name__
    return f"the download failed ({text[:300]}); try again, with HF_HUB_DISABLE_XET=1 if that fails too"


def _refused(status: int, login: str) -> str:
    if status in (401, 403):
        return f"the hub refused ({status}); {login}"
    if status == 429:
        return f"the hub answers no more for now (429); wait, or {login}"
    return f"the hub answered {status}; try again later"
