"""The JSON Schema of bgmon.yml, with the docstring of each field as its description.

pydantic can do that itself, but then parses every module's source at each start of every command.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

from monitor.config.base import Model
from monitor.config.schema import Config


def described_schema() -> dict[str, Any]:
    """As `Config.model_json_schema()`, with descriptions."""
    schema = Config.model_json_schema()
    nodes = {Config.__name__: schema, **schema.get("$defs", {})}
    for model in _models(Model):
        node = nodes.get(model.__name__)
        if node is None:
            continue
        for field, text in _docstrings(model).items():
            info = model.model_fields.get(field)
            names = (field, info.serialization_alias, info.alias) if info is not None else (field,)
            for name in names:
                if name in node.get("properties", {}):
                    node["properties"][name].setdefault("description", text)
            if field.endswith("_") and field[:-1] in node.get("properties", {}):
                node["properties"][field[:-1]].setdefault("description", text)
    return schema


def _models(base: type[Model]) -> list[type[Model]]:
    return [model for child in base.__subclasses__() for model in (child, *_models(child))]


def _docstrings(model: type[Model]) -> dict[str, str]:
    """Field -> the string that stands right below it."""
    body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                found[name] = inspect.cleandoc(said)
    return found
