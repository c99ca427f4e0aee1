"""The base model, the warm-up, the fine-tuning, the evaluation; all with the Transformers Trainer.

Belongs here: training and evaluating a model on given texts. Does not: tables, tracking, or which texts these are.
"""
