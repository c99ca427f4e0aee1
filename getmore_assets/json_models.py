"""The base class of models that are written as JSON.

Belongs here: the base class, and types for JSON without a model. Does not: the models.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict

Numbers = dict[str, int | float]
JsonObject = dict[str, Any]
"""A JSON object with fields that a user, another tool or a selector names."""


class Given(BaseModel):
    """A model that is written as JSON with only the fields that were set."""

    model_config = ConfigDict(populate_by_name=True, ser_json_inf_nan="constants")

    def given(self) -> JsonObject:
        """Return the fields that were set, as JSON."""
        return self.model_dump(mode="json", exclude_unset=True, by_alias=True)
