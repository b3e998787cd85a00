"""Results and specs of strangers: nothing in them is executed, and no path in them leads out of their folder."""

import pytest

from benevolent.orchestrator.spec.load_spec import load_spec
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import attempts, paths
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest

OUTSIDE = ["../x", "/etc/x", "a/../../x", "a\0b"]


@pytest.fixture
def results(tmp_path) -> Folder:
    return Folder(tmp_path / "results")


@pytest.mark.parametrize("tag", ["python/object/apply:os.system", "python/name:os.system", "include"])
def test_a_tag_of_yaml_makes_nothing(tmp_path, tag):
    spec = tmp_path / "sweep.yaml"
    spec.write_text(f"name: !!{tag} [touch {tmp_path}/made]\n")
    with pytest.raises(BadInput, match="sweep.yaml"):
        load_spec(str(spec))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_path_leads_nowhere_else(results, path):
    attempted = [results.read, results.exists, results.names, results.delete, results.check, results.__truediv__]
    attempted += [lambda path: results.write(path, b""), lambda path: results.create_json(path, 1)]
    for attempt in attempted:
        with pytest.raises(BadInput, match="leads out of the folder"):
            attempt(path)


def test_a_link_leads_nowhere_else_and_the_folder_itself_may_be_one(results, tmp_path):
    results.write("a.json", b"1")
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "results" / "cohorts").symlink_to(outside)
    with pytest.raises(BadInput, match="leads out of the folder"):
        results.write("cohorts/c/state/state.safetensors", b"")
    assert list(outside.iterdir()) == []
    (tmp_path / "link").symlink_to(tmp_path / "results")
    assert Folder(tmp_path / "link").read("a.json") == b"1"


@pytest.mark.parametrize("name", ["/../../../x", "../x", "2/x", None, ["2"]])
def test_the_name_of_an_attempt_becomes_no_path(results, name):
    cohort = results / paths.cohort("c")
    cohort.write_json(f"{paths.ATTEMPTS}/00001.json", {"name": name, "kept": []})
    with pytest.raises(BadInput, match="00001.json: damaged"):
        attempts.latest_attempt(cohort)


def test_a_cohort_that_is_waited_for_is_in_the_folder(results):
    results.write_json(f"{paths.cohort('c')}/{paths.MANIFEST}", {"runs": [{}], "waits_for": ["../../x"]})
    with pytest.raises(BadInput, match="manifest.json: damaged"):
        Manifest.read(results, "c")
    with pytest.raises(BadInput, match="leads out of the folder"):
        CohortFiles(results, "../../x")
