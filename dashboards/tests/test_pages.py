"""The pages as a whole: addresses, variables, links, layout."""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import catalogue
import lint
import yaml
from conftest import DASHBOARDS, PROJECT, Dashboard

WIDTH = 24
REPOSITORY = "https://github.com/deepgram-sidecar/deepgram-sidecar/blob/main/"


def test_each_page_has_a_stable_address_and_a_shared_crosshair(dashboards: dict[str, Dashboard]) -> None:
    assert dashboards.keys() == {"fleet", "pod", "session", "deepgram"}
    for name, dashboard in dashboards.items():
        assert dashboard["uid"] == f"deepgram-sidecar-{name}"
        assert dashboard["graphTooltip"] == 1
        assert dashboard["tags"] == ["deepgram-sidecar"]


def test_each_page_has_its_variables_in_order(dashboards: dict[str, Dashboard]) -> None:
    for name, dashboard in dashboards.items():
        variables = {it["name"]: it for it in dashboard["templating"]["list"]}
        wanted = ["datasource", "job", "namespace", "pod"] + ["session_id"] * (name == "session")
        assert list(variables)[: len(wanted)] == wanted
        assert all(variables[it]["multi"] and variables[it]["includeAll"] for it in ("job", "namespace", "pod"))


def test_each_page_leads_to_each_other(dashboards: dict[str, Dashboard]) -> None:
    for name, dashboard in dashboards.items():
        urls = [link["url"] for link in dashboard["links"]]
        reached = {page for url in urls for page in re.findall(r"^/d/deepgram-sidecar-(\w+)\?", url)}
        assert reached == dashboards.keys() - {name}


def test_a_link_to_or_from_the_session_page_leaves_the_job_out(dashboards: dict[str, Dashboard]) -> None:
    for name, dashboard in dashboards.items():
        for url in (it for it in _urls(dashboard) if it.startswith("/d/")):
            crosses = (name == "session") != url.startswith("/d/deepgram-sidecar-session")
            within_one = name == "session" and url.startswith("/d/deepgram-sidecar-session")
            assert ("${job:queryparam}" in url) == (not crosses and not within_one), url


def test_links_lead_to_pages_and_documents_that_exist(dashboards: dict[str, Dashboard]) -> None:
    uids = {dashboard["uid"] for dashboard in dashboards.values()}
    for dashboard in dashboards.values():
        names = {it["name"] for it in dashboard["templating"]["list"]}
        for url in _urls(dashboard):
            assert set(re.findall(r"\$\{(\w+_datasource)\}", url)) <= names, url
            if url.startswith("/d/"):
                assert re.match(r"/d/([\w-]+)\?", url).group(1) in uids
            elif url.startswith(REPOSITORY):
                path, _, anchor = url.removeprefix(REPOSITORY).partition("#")
                assert anchor in _anchors(path), url
            else:
                assert url.startswith("/explore?"), url


def test_a_panel_that_can_turn_red_leads_on(dashboards: dict[str, Dashboard]) -> None:
    for dashboard in dashboards.values():
        for panel in lint.panels(dashboard):
            steps = panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])
            if len(steps) > 1:
                assert panel["links"], panel["title"]


def test_panels_of_metrics_with_exemplars_ask_for_them(dashboards: dict[str, Dashboard]) -> None:
    for dashboard in dashboards.values():
        for panel in (it for it in lint.panels(dashboard) if it["type"] == "timeseries"):
            text = " ".join(target["expr"] for target in panel["targets"])
            if any(re.search(rf"_{name}(_bucket)?{{", text) for name in catalogue.EXEMPLARS):
                assert any(target.get("exemplar") for target in panel["targets"]), panel["title"]


def test_titles_and_ids_are_unique(dashboards: dict[str, Dashboard]) -> None:
    for dashboard in dashboards.values():
        titles = [panel["title"] for panel in dashboard["panels"]]
        assert len(titles) == len(set(titles))
        assert len({panel["id"] for panel in dashboard["panels"]}) == len(titles)


def test_panels_fill_each_line_of_the_grid(dashboards: dict[str, Dashboard]) -> None:
    for dashboard in dashboards.values():
        for _, line in groupby(dashboard["panels"], key=lambda it: it["gridPos"]["y"]):
            places = [panel["gridPos"] for panel in line]
            assert sum(place["w"] for place in places) == WIDTH, places
            assert len({place["h"] for place in places}) == 1, places


def test_what_is_empty_when_all_is_well_is_a_panel(dashboards: dict[str, Dashboard]) -> None:
    listed = yaml.safe_load((DASHBOARDS / "empty-when-well.yaml").read_text())
    for name, faults in listed.items():
        titles = {panel["title"] for panel in lint.panels(dashboards[name])}
        assert faults.keys() <= titles
        assert all(isinstance(fault, str) for fault in faults.values())


def _urls(it: Any) -> Iterator[str]:
    """All addresses that stand anywhere in a dashboard."""
    if isinstance(it, dict):
        yield from (value for key, value in it.items() if key == "url")
        it = list(it.values())
    if isinstance(it, list):
        for inner in it:
            yield from _urls(inner)


def _anchors(document: str) -> set[str]:
    """The anchors of a document's headings; none at all is its top."""
    headings = re.findall(r"^#+ (.+)$", (PROJECT / document).read_text(), re.MULTILINE)
    return {""} | {heading.lower().replace(" ", "-") for heading in headings}
