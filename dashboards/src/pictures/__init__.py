"""Pictures of the dashboards for the documentation, drawn from a running Prometheus' answers.

`python -m dashboards.src.pictures URL` reads the committed JSON, asks each panel's queries as Grafana would,
and draws the first rows of each page. What it draws is what the queries answer; how it looks is only like
Grafana.
"""
