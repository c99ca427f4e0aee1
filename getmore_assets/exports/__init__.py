"""A selection and its models as files for other tools: rows, blocks for trainers, model folders.

Belongs here: formats, cards, and the folders of exports. Does not: selecting or training.
"""

#: The formats that are models.
MODELS = ("warmed_model", "finetuned_model")
#: Names of all formats; `formats.py` writes them.
FORMATS = (
    "parquet",
    "jsonl",
    "csv",
    "huggingface",
    "hub",
    "llama-factory",
    "axolotl",
    "trl",
    "warmed_model",
    "finetuned_model",
)
