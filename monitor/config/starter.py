"""The first bgmon.yml that `bgmon init` writes."""

from __future__ import annotations

import re
from typing import Final

_TEMPLATE: Final = """\
# yaml-language-server: $schema=./bgmon.schema.json
# Completion in editors: bgmon schema > bgmon.schema.json
# Durations are 500ms, 30s, 5m; sizes 512m, 2g; ${{VAR}} reads the environment and fails when it is unset.
project: {project}

proxy:
  listen: ["0.0.0.0:80"]            # where requests come in
  ports: 20000-29999                # loopback ports that containers are published on
  # tls: {{cert: /etc/ssl/shop.pem, key: /etc/ssl/shop.key}}

services:
  web:
    image: registry.example.com/{project}/web   # bgmon deploy web --tag abc
    port: 3000                                  # inside the container
    route: {{host: www.example.com, path: /}}     # public
    # internal: web.internal:3000               # for other services, through the proxy
    health: {{path: /health, successes: 2, start: 60s}}
    limits: {{memory: 512m, cpus: 0.5, pids: 512}}
    env: {{LOG_LEVEL: info}}
    # secrets: [DATABASE_URL]                   # from the environment or .bgmon/secrets
    deploy: {{bake: 30s, drain: 30s, stop: 10s, keep_images: 5}}
    # deploy: {{canary: [{{weight: 10, for: 1m}}, {{weight: 50, for: 1m}}]}}
    # slo: {{availability: 99.9, latency: {{threshold: 250ms, target: 99}}}}

# notify: {{urls: ["${{SLACK_URL}}"]}}
# logs: {{source: loki, url: "http://loki:3100"}}  # without it, Docker's own logs are read
"""


def starter(folder: str) -> str:
    """The commented file for a project named after its folder."""
    return _TEMPLATE.format(project=project_name(folder))


def project_name(text: str) -> str:
    """A legal project name out of any text.

    >>> project_name("My Shop!")
    'my-shop'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "project"
