"""What is written as JSON, and read back.

Belongs here: the base of such models, and names for JSON that has none. Does not: any model.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict

Numbers = dict[str, int | float]
JsonObject = dict[str, Any]
"""An object of JSON whose fields a user, another tool or a selector names."""


class Given(BaseModel):
    """What is written as JSON: the fields that were given, and no others."""

    model_config = ConfigDict(populate_by_name=True, ser_json_inf_nan="constants")

    def given(self) -> JsonObject:
        """Return the fields that were given, as JSON's objects."""
        return self.model_dump(mode="json", exclude_unset=True, by_alias=True)
