"""What thousands of configs cost the bucket: a listing each time, the records of what changed, of outcomes once."""

from __future__ import annotations

from pathlib import Path

from poltergust.dashboard.path_configs import MAX_OUTCOMES_READ, MAX_REFRESHED, PathConfigs
from poltergust.path.layout import WatchedPath
from poltergust.path.reading.model import ConfigState
from poltergust.path.records import RunRecord, State
from poltergust.path.state import PathState
from tests.dashboard.counted import CountedStore
from tests.dashboard.serving import Site


def reading(site: Site) -> tuple[PathConfigs, CountedStore]:
    store = CountedStore(site.state.store)
    return PathConfigs(PathState(store, WatchedPath(site.state.path.root)).reader()), store


def test_a_second_look_at_many_outcomes_costs_a_listing_and_not_one_read(tmp_path: Path) -> None:
    site = Site(tmp_path)
    for number in range(MAX_OUTCOMES_READ + 50):
        (tmp_path / "pipeline" / f"c{number:04}.done.yaml").write_text("x")
    configs, store = reading(site)
    first = configs.view()
    assert first.counts == {"done": MAX_OUTCOMES_READ + 50}
    configs._reader._clock = lambda: first.time + 1000.0  # long after they ended
    configs.view()
    store.calls.clear()
    configs.view()
    assert store.calls == {"list": 2}  # the path, the heartbeats


def test_a_page_of_old_outcomes_reads_their_records_once(tmp_path: Path) -> None:
    site = Site(tmp_path)
    for number in range(MAX_OUTCOMES_READ + 1):
        name = f"c{number:04}"
        (tmp_path / "pipeline" / f"{name}.done.yaml").write_text("x")
    site.record(RunRecord("c0000", "g", "node-1", State.ENDED, "done", "complete", renamed=True))
    configs, store = reading(site)
    old = [view for view in configs.view().configs if not view.runs and view.reason is None]
    full = configs.complete(tuple(view for view in old if view.name == "c0000"))
    if full:  # which of the files is the oldest is the file system's to say
        assert full[0].nodes == ("node-1",)
        store.calls.clear()
        configs.complete(full)
        assert store.calls == {}


def test_of_very_many_live_configs_each_look_refreshes_a_part_and_none_is_forgotten(tmp_path: Path) -> None:
    site = Site(tmp_path)
    for number in range(MAX_REFRESHED + 30):
        (tmp_path / "pipeline" / f"c{number:04}.config.yaml").write_text("x")
    configs, store = reading(site)
    assert configs.view().counts == {"queued": MAX_REFRESHED + 30}
    assert store.calls["list"] <= MAX_REFRESHED + 2
    for number in range(MAX_REFRESHED + 30):
        name = f"c{number:04}"
        generation = site.state.store.read(str(tmp_path / "pipeline" / f"{name}.config.yaml")).generation
        site.record(RunRecord(name, generation, "node-1", State.RUNNING))
    for _ in range(2):
        seen = configs.view()
    assert seen.counts == {ConfigState.RUNNING.value: MAX_REFRESHED + 30}


def test_a_live_config_that_does_not_change_costs_one_listing_a_look(tmp_path: Path) -> None:
    site = Site(tmp_path)
    generation = site.config("nightly")
    site.record(RunRecord("nightly", generation, "node-1", State.RUNNING))
    configs, store = reading(site)
    configs.view()
    store.calls.clear()
    configs.view()
    assert store.calls == {"list": 3}  # the path, the heartbeats, the records of the config
    again = site.config("nightly", b"environment: e.yaml\n")
    (view,) = configs.view().configs
    assert view.generation == again


def test_what_a_node_says_it_runs_is_refreshed_first(tmp_path: Path) -> None:
    site = Site(tmp_path)
    for number in range(MAX_REFRESHED + 30):
        (tmp_path / "pipeline" / f"c{number:04}.config.yaml").write_text("x")
    last = f"c{MAX_REFRESHED + 29:04}"
    configs, _ = reading(site)
    generation = site.state.store.read(str(tmp_path / "pipeline" / f"{last}.config.yaml")).generation
    site.record(RunRecord(last, generation, "node-1", State.RUNNING))
    site.heartbeat("node-1", running=(last,))
    states = {view.name: view.state for view in configs.view().configs}
    assert states[last] is ConfigState.RUNNING
