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

_LOGIN = "log in with 'hf auth login' or set HF_TOKEN"


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
            f"{file}: {_reason(error)}; or set dataset.location to a copy of {file.filename} you have"
        ) from error
    return Path(path)


def _reason(error: BaseException) -> str:
    """Return what went wrong and what to do about it; the library's own texts have several lines."""
    from huggingface_hub import errors

    causes = [error]
    while causes[-1].__cause__:
        causes.append(causes[-1].__cause__)
    status = next(
        (cause.response.status_code for cause in causes if isinstance(cause, errors.HfHubHTTPError)), 0
    )
    advice = {401: _LOGIN, 403: _LOGIN, 429: f"wait, or {_LOGIN}"}.get(status, "try again later")
    known = {  # by what is said of an error or its cause, the most telling first
        errors.OfflineModeIsEnabled: "HF_HUB_OFFLINE is set and the file is not in the cache; unset it",
        errors.GatedRepoError: f"access is granted on request, on the dataset's page; ask, then {_LOGIN}",
        errors.RepositoryNotFoundError: f"there is no such dataset, or it is not yours to read; {_LOGIN}",
        errors.RevisionNotFoundError: "the pinned revision is no longer there",
        errors.RemoteEntryNotFoundError: "the pinned revision has no such file",
        errors.FileMetadataError: "what answered is no Hugging Face hub; check HF_ENDPOINT and your proxy",
        errors.HfHubHTTPError: f"the hub answered {status}; {advice}",
        errors.LocalEntryNotFoundError: "no connection to the hub; check the network, then try again",
    }
    for kind, text in known.items():
        if any(isinstance(cause, kind) for cause in causes):
            return text
    text = " ".join(str(error).split()) or type(error).__name__
    return f"the download failed ({text[:300]}); try again, with HF_HUB_DISABLE_XET=1 if that fails too"
