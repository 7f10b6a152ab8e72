"""`bgmon schema`."""

from __future__ import annotations

import click

from monitor.cli.output import emit_json


@click.command("schema")
@click.option("--json", "_as_json", is_flag=True, help="Accepted for symmetry: the schema is JSON anyway.")
def command(_as_json: bool) -> None:
    """Print the JSON Schema of bgmon.yml, for completion and checks in editors.

    \b
    Example:
      bgmon schema > bgmon.schema.json
      # then, as the first line of bgmon.yml:
      # yaml-language-server: $schema=./bgmon.schema.json
    """
    from monitor.config.describe import described_schema  # pydantic is slow to import

    emit_json({"$schema": "https://json-schema.org/draft/2020-12/schema", **described_schema()})
