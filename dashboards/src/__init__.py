"""The Grafana dashboards of deepgram-sidecar, as code.

`queries` writes PromQL, `panels` turns it into a panel, `page` puts panels on a dashboard. There is one
module per dashboard: `fleet`, `pod`, `session`, `deepgram`. `python -m dashboards.src` writes them all.
"""
