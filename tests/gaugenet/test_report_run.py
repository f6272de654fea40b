"""Training curves and the report of a run, from files as a run leaves them."""

import base64
import json
from html.parser import HTMLParser

import pytest

from gaugenet.config import Config
from gaugenet.report_run import write_report
from gaugenet.visualize_training import draw_curves, read_log

RECORDS = [
    {
        "epoch": e,
        "loss": 2.0 / e,
        "train_accuracy": 1 - 0.5 / e,
        "test_accuracy": 0.9 if e % 5 == 0 else None,
        "lr": 1e-3,
    }
    for e in range(1, 31)
]
SUMMARY = {
    "test": {"accuracy": 0.9125, "mean_iou": 0.8, "mean_mesh_accuracy": 0.9, "counted": 12345},
    "gauge": {"metrics": {"accuracy": 0.9125}, "changed": 3, "total": 12345, "error": 2.5e-7},
    "n_parameters": 262144,
    "epochs": 30,
    "seconds": 61.2,
}


@pytest.fixture
def run(tmp_path):
    config = Config().override(["model.group=O(2)", "data.path=scans <of> arms"])
    (tmp_path / "config.toml").write_text(config.to_toml())
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(r) + "\n" for r in RECORDS))
    (tmp_path / "summary.json").write_text(json.dumps(SUMMARY))
    return tmp_path


class Reader(HTMLParser):
    VOID = ("meta", "img")

    def __init__(self):
        super().__init__()
        self.open, self.text, self.links, self.tags = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for key, value in attributes if key in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.text.append(data.strip())


def read(file):
    reader = Reader()
    reader.feed(file.read_text())
    assert reader.open == []
    return reader


def test_everything_is_in_one_file_and_nothing_comes_from_elsewhere(run):
    picture = run / "p.png"
    picture.write_bytes(b"\x89PNG a picture")
    file = write_report(run, {"Mistakes": picture})
    assert file == run / "report.html"
    page = read(file)
    assert "script" not in page.tags
    assert page.links == ["data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode()]
    for said in (
        "91.25 % of 12,345",
        "262,144",
        "2.5e-07 of their size",
        "3 of 12,345",
        "61 s for 30 epochs",
        "a different random element of O(2) at every vertex, then predict again",
        "scans <of> arms",
        "Mistakes",
        "batch_size",
    ):
        assert said in page.text, said
    assert page.text.count("90.00 %") == 1 + 3, "the mean of the surfaces, and the tested epochs among those shown"


def test_a_run_that_goes_on_has_a_report_too(run):
    (run / "summary.json").unlink()
    (run / "log.jsonl").write_text((run / "log.jsonl").read_text() + '{"epoch": 31, "lo')
    page = read(write_report(run, {}, run / "other.html"))
    assert "not finished: 30 epochs are done" in page.text
    assert "Equivariance" not in page.text


def test_folders_of_no_run_are_refused(run, tmp_path):
    (run / "log.jsonl").write_text("what\n{}\n")
    with pytest.raises(ValueError, match=r"log\.jsonl: line 1 is no JSON"):
        read_log(run / "log.jsonl")
    (run / "log.jsonl").write_text("")
    with pytest.raises(ValueError, match="there is no epoch in it"):
        read_log(run / "log.jsonl")
    (run / "config.toml").unlink()
    with pytest.raises(ValueError, match=r"there is no config\.toml in it; give the folder of a run"):
        write_report(run, {})


def test_curves_have_their_colours(run):
    image = pytest.importorskip("matplotlib.image", reason="matplotlib is not installed")
    draw_curves(run / "curves.png", read_log(run / "log.jsonl"), "a run")
    p = (255 * image.imread(run / "curves.png")[:, :, :3]).round()
    for color in ((76, 120, 168), (228, 87, 86), (114, 183, 178), (51, 51, 51)):
        assert (abs(p - color).max(2) < 8).sum() > 50, color
    draw_curves(run / "one.png", [{"epoch": 1, "loss": 1.0}])
    with pytest.raises(ValueError, match="at least one epoch"):
        draw_curves(run / "none.png", [])
