"""The Grafana dashboards of deepgram-sidecar, as code.

`queries` writes PromQL, `panels` makes a panel of it, `page` puts panels on a dashboard. There is one
module for each dashboard: `fleet`, `pod`, `session`, `deepgram`. `python -m dashboards.src` writes them all.
"""
