"""An exported folder on Hugging Face's hub, by ``huggingface_hub``."""

from pathlib import Path

from huggingface_hub import HfApi, errors

from erkt.errors import ErktError


def push(folder: Path, repository: str) -> str:
    """Upload ``folder`` as the model ``repository``, "name" or "owner/name"; return the commit's address.

    A repository that is not there is made, and is private: who may see it is for its owner to say. The token
    is the one that ``hf auth login`` keeps, or ``HF_TOKEN``. Raises ErktError with the hub's reason.
    """
    hub = HfApi()
    try:
        made = hub.create_repo(repository, private=True, exist_ok=True)
        commit = hub.upload_folder(
            repo_id=made.repo_id, folder_path=folder, commit_message="A student, exported by erkt"
        )
    except errors.HFValidationError:
        raise ErktError(f"--push-to {repository}: no name of a repository; expected OWNER/NAME") from None
    except Exception as error:  # its HTTP library, and so what it raises, has changed from version to version
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ErktError(
            f"--push-to {repository}: {reason}; {folder} is whole. "
            "`hf auth login` keeps a token that may write"
        ) from error
    return str(commit.commit_url)
