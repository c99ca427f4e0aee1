"""The base model, the warm-up, the fine-tuning, the evaluation; all with the Transformers Trainer.

Belongs here: what happens to a model, given texts. Does not: tables, tracking, which texts.
"""
