"""A selection and its models as files for other tools: rows, blocks for trainers, model folders.

Belongs here: formats, model cards, and the folders they are put in. Does not: what is selected or trained.
"""

#: The models among them.
MODELS = ("warmed_model", "finetuned_model")
#: What can be exported, by the name that a user gives; `formats.py` knows how.
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
