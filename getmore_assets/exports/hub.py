"""Data sets and models on the Hugging Face hub.

Belongs here: the card of a data set, and uploading a folder. Does not: a model's card (`card.py`). The token is read
from the environment and is not logged.
"""

import os
from pathlib import Path

from getmore_assets.config import HUB_PREFIX
from getmore_assets.errors import BadInput
from getmore_assets.exports.origin import Origin

_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_TEMPLATE = Path(__file__).with_name("dataset_card.md")


def dataset_card(origin: Origin, columns: dict[str, list[str]]) -> str:
    """Return the card of the selected rows: Markdown with YAML front matter.

    Args:
        origin: The selection and its runs.
        columns: Columns of each file of rows, by file name.
    """
    from huggingface_hub import DatasetCardData
    from jinja2 import Environment

    configs = [{"config_name": Path(name).stem, "data_files": f"data/{name}"} for name in columns]
    if len(configs) == 1:
        configs[0]["config_name"] = "default"
    data = DatasetCardData(tags=["getmore-assets", origin.selector], configs=configs)
    environment = Environment(autoescape=False, keep_trailing_newline=True)  # noqa: S701 - Markdown
    template = environment.from_string(_TEMPLATE.read_text("utf-8"))
    return template.render(card_data=data.to_yaml(), origin=origin, columns=columns)


def repository(to: str) -> str | None:
    """Return the repository of an address `hf://owner/name`; None for another kind of address.

    Raises:
        BadInput: The address does not name a repository.
    """
    if not to.startswith(HUB_PREFIX):
        return None
    name = to.removeprefix(HUB_PREFIX).strip("/")
    if name.count("/") != 1:
        raise BadInput(to, "does not name a repository of the hub", f"Write {HUB_PREFIX}owner/name")
    return name


def publish(folder: Path, name: str, kind: str) -> str:
    """Upload a folder to a repository of the hub in one commit, which replaces the files of earlier exports.

    Args:
        folder: A folder with the card as `README.md`.
        name: Name of the repository, `owner/name`; a new repository is private.
        kind: dataset or model.

    Returns:
        The address of the commit.

    Raises:
        BadInput: There is no token, or the hub cannot be reached or refuses the upload.
    """
    from huggingface_hub import HfApi

    place = f"{HUB_PREFIX}{name}"
    token = next((os.environ[name] for name in _TOKENS if os.environ.get(name)), None)
    if token is None:
        fix = "Set HF_TOKEN to a token that may write, from the settings of your account on the hub"
        raise BadInput(place, "needs a token, and the environment has none", fix)
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)
    try:
        api.create_repo(name, repo_type=kind, private=True, exist_ok=True)
        commit = api.upload_folder(
            repo_id=name,
            repo_type=kind,
            folder_path=folder,
            commit_message="getmore export",
            delete_patterns=["data/*", "*.safetensors"],
        )
    except Exception as error:  # the hub's client and its HTTP clients raise errors of various classes
        why = str(error).replace(token, "…").splitlines()[0][:200]
        fix = "Check that the token may write there, and that the hub can be reached"
        raise BadInput(place, f"cannot be written to ({why})", fix) from None
    return str(commit.commit_url)
