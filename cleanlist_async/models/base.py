"""The manners all answers share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """Base of every answer: unknown fields are kept in ``model_extra``, and errors never show input."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)
