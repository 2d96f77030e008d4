"""torchvision's detectors as chains with a detector as head, and boxes as targets that differ in shape."""

import sys
from collections import OrderedDict

import numpy as np
import pytest
import tiny
import torch
import torchvision
from PIL import Image
from torch import nn
from torchvision.models.detection import FasterRCNN, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead

from tlkit import backbones, study, tasks
from tlkit.backbones import UNTRAINED, Backbone, View
from tlkit.cli import app
from tlkit.errors import UserError
from tlkit.fit import fit
from tlkit.plans import Plan
from tlkit.records import Store
from tlkit.tasks import Task
from tlkit_lessons.detection import detection, detectors, mean_average_precision

SIDE = 32


def body() -> BackboneWithFPN:
    def stage(inputs: int, stride: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(inputs, 8, 3, stride, 1), nn.BatchNorm2d(8), nn.ReLU())

    layers = nn.Sequential(OrderedDict(stem=stage(3, 2), mid=stage(8, 2), top=stage(8, 1)))
    return BackboneWithFPN(layers, {"mid": "0", "top": "1"}, [8, 8], 8)


def two_stages(num_classes: int = 3) -> FasterRCNN:
    anchors = AnchorGenerator(((8,), (12,), (16,)), ((1.0,),) * 3)
    more = {"rpn_pre_nms_top_n_train": 50, "rpn_post_nms_top_n_train": 30, "box_detections_per_img": 10}
    box = {"box_head": TwoMLPHead(8 * 49, 16), "box_predictor": FastRCNNPredictor(16, num_classes)}
    return FasterRCNN(body(), None, rpn_anchor_generator=anchors, **box, **more)


def one_stage(num_classes: int = 3) -> RetinaNet:
    anchors = AnchorGenerator(((8, 12),) * 3, ((1.0,),) * 3)
    return RetinaNet(body(), num_classes, anchor_generator=anchors, detections_per_img=10, topk_candidates=20)


def source(make=two_stages) -> Backbone:
    def build(pretrained: bool):
        if pretrained:
            torch.manual_seed(0)
        model = make()
        model.again = make
        return detectors.cut(model, torch.zeros(2, 3, SIDE, SIDE))

    view = View(SIDE, (0.5,) * 3, (0.5,) * 3, whole=True)
    return Backbone(f"tiny-{make.__name__}", "seed0", build, view, str(view))


def squares(n: int, seed: int) -> tuple[torch.Tensor, list[dict]]:
    """n x 1 x 24 x 24: up to two squares a picture, full or hollow."""
    rng = np.random.default_rng(seed)
    images = rng.uniform(0, 0.2, (n, 1, 24, 24)).astype(np.float32)
    targets = []
    for i, image in enumerate(images):
        boxes, labels = [], []
        for left in range(0, 24, 12)[: (1, 2, 1, 0)[i % 4]]:
            size, kind = int(rng.integers(7, 11)), int(rng.integers(2))
            x, y = left + int(rng.integers(0, 12 - size + 1)), int(rng.integers(0, 24 - size))
            image[0, y : y + size, x : x + size] = 1
            if kind:
                image[0, y + 2 : y + size - 2, x + 2 : x + size - 2] = 0
            boxes.append(np.array([x, y, x + size, y + size]) / 24)
            labels.append(kind)
        targets.append({"boxes": np.reshape(boxes, (-1, 4)), "labels": np.array(labels, dtype=np.int64)})
    return torch.from_numpy(images), targets


def task(n: int = 24, test: int = 8) -> Task:
    (x, y), (tx, ty) = squares(n, 0), squares(test, 1)
    return Task("tiny-squares", detection(2), tiny.items(x, "a"), y, tiny.items(tx, "b"), ty)


REAL = {
    "ssdlite320_mobilenet_v3_large": (320, "score_thresh=0.0", 22, ["stem", "block1"], "block21"),
    "fasterrcnn_mobilenet_v3_large_320_fpn": (320, "box_score_thresh=0.0", 18, ["stem", "block1"], "fpn"),
    "fcos_resnet50_fpn": (64, "score_thresh=0.0,min_size=64", 6, ["stem", "layer1"], "fpn"),
}


@pytest.mark.parametrize("name", REAL)
def test_a_detector_finds_the_same_before_and_after_it_is_cut(name):
    side, told, count, first, last = REAL[name]
    options = {key: float(value) for key, value in (pair.split("=") for pair in told.split(","))}
    options = {key: int(value) if key == "min_size" else value for key, value in options.items()}
    cut = backbones.load(f"detection:{name},size={side},pretrained=false,{told}")
    assert cut.stages[:2] == first and cut.stages[-1] == last and len(cut.stages) == count
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED)
        whole = torchvision.models.get_model(name, weights=None, weights_backbone=None, **options).eval()
    drawn, chain = torch.Generator().manual_seed(0), cut.pretrained()
    picture = torch.rand(3, side, side, generator=drawn)
    with torch.inference_mode():
        maps, ours = (
            whole.backbone(whole.transform([picture])[0].tensors),
            chain.run(cut.transform(picture)[None]),
        )
        assert all(torch.allclose(ours[name], map_, atol=1e-4) for name, map_ in maps.items())
        # untrained bodies give nearly the same everywhere, and boxes tie; these maps differ by place
        maps = {name: torch.randn(map_.shape, generator=drawn) for name, map_ in maps.items()}
        whole.backbone.forward = lambda images: maps
        (want,), (got,) = whole([picture]), chain.head(maps)
    assert len(want["boxes"]) > 10 and torch.equal(want["labels"] - 1, got["labels"])
    assert torch.allclose(want["boxes"], got["boxes"] * side, atol=1e-2)
    assert torch.allclose(want["scores"], got["scores"], atol=1e-4)
    ours = {id(t) for t in cut.pretrained().parameters()}
    assert len(ours) == len(list(whole.parameters())), "every tensor of the model is somewhere in the chain"


def test_weights_from_a_file_whose_norms_were_frozen(tmp_path):
    """torchvision publishes them without counts of batches; the untrained architecture has them."""
    spec = "detection:fasterrcnn_mobilenet_v3_large_320_fpn,size=64,pretrained=false"
    model = torchvision.models.get_model(
        spec.split(":")[1].split(",")[0], weights=None, weights_backbone=None
    )
    state = {key: t for key, t in model.state_dict().items() if not key.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "w.pt")
    loaded = backbones.load(spec, str(tmp_path / "w.pt"))
    found = loaded.pretrained().state_dict()
    assert torch.equal(found["head.model.rpn.head.cls_logits.weight"], state["rpn.head.cls_logits.weight"])
    assert loaded.transform_key.endswith("whole=True)") and loaded.card["recipe"] == "photos"
    assert backbones.from_blueprint(loaded.blueprint).fresh("random").state_dict().keys() == {
        key for key in found if not key.startswith("head.")
    }


@pytest.mark.parametrize("text", tiny.PLANS)
def test_every_plan_runs_on_a_detector_and_is_audited(text):
    given, backbone = task(), source()
    done = fit(given, backbone, text, 6, 0, tiny.QUICK)
    plan = Plan.parse(text)
    free = {"head", *plan.tuned(backbone.stages)}
    assert done.audit.ok and {"head.model.rpn.head.conv.0.0.weight"} <= done.audit.moved.keys()
    assert {n.split(".")[1 if n.startswith("stages") else 0] for n in done.audit.moved} <= free
    assert len(given.reads) == 1 and 0 <= done.test.metrics["mAP"] <= 1
    assert len(done.test.predicted) == len(given.test) and len(done.tried) == 3
    assert not done.model.training and done.detail["flops_suffix"] > 0


def test_a_seed_gives_the_same_twice_and_a_record(tmp_path):
    given, backbone = task(), source()
    one, two = (fit(given, backbone, "last-1", 6, 3, tiny.QUICK) for _ in range(2))
    assert one.losses == two.losses, "boxes are drawn by the seed"
    store = Store(tmp_path / "r.jsonl")
    grid = study.Grid(given, backbone, ("scratch", "frozen"), (6,), (0,), tiny.QUICK)
    assert study.run(grid, store).ran == 2
    row = store.read()[-1]
    assert row.metric == "mAP" and row.detail["scale"] == {
        "better": "higher", "delta": 0.02, "unit": "", "by_class": False, "chance": 0.0,
    }  # fmt: skip


def test_from_the_command_line_to_a_saved_detector(tmp_path, monkeypatch, capsys):
    given = task()
    given.classes, given.reader = ("full", "hollow"), "picture"
    monkeypatch.setattr(tasks, "load", lambda name: given)
    monkeypatch.chdir(tmp_path)
    spec = "detection:ssdlite320_mobilenet_v3_large,size=64,pretrained=false"
    few = ("--plans", "frozen", "--labels", "4", "--seeds", "1", "--steps", "1", "--out", "d.jsonl")
    Image.fromarray(np.zeros((30, 40), dtype=np.uint8)).save("a.png")
    for words in (
        ("compare", "--task", "tiny-squares", "--backbone", spec, *few),
        ("predict", "d.model", "a.png"),
    ):
        monkeypatch.setattr(sys, "argv", ["tlkit", *words])
        with pytest.raises(SystemExit) as end:
            app()
        assert not end.value.code
    told = " ".join(capsys.readouterr().out.split())
    assert "mAP" in told and "model: d.model" in told and "a.png" in told and "nothing" in told


@pytest.mark.parametrize("make", [one_stage, two_stages])
def test_a_detector_learns(make):
    given = task(40, 12)
    longer = tiny.Recipe(steps=150, epochs=1, batch=8, rates=(1e-2,), strengths=(1.0,), baselines=("1-nn",))
    done = fit(given, source(make), "full", 40, 0, longer)
    assert np.mean(done.losses[-10:]) < 0.7 * np.mean(done.losses[:10])
    assert done.test.metrics["mAP"] > 0.2, "untrained it is 0"
    found = done.test.predicted[0]
    assert set(found) == {"boxes", "labels", "scores"} and found["boxes"].max() <= 1.001


def test_what_a_detection_task_refuses():
    given = task()
    with pytest.raises(UserError, match="this backbone is no detector: give one"):
        fit(given, tiny.backbone(), "frozen", 6, 0, tiny.QUICK)
    targets = squares(24, 0)[1]
    for one in targets:
        one["boxes"] = one["boxes"][:, [2, 1, 0, 3]]
    flat = Task("flat", detection(2), given.train, targets, given.test, squares(8, 1)[1])
    with pytest.raises(UserError, match="a target box has no area: give x0, y0, x1, y1 in shares"):
        fit(flat, source(), "frozen", 6, 0, tiny.QUICK)
    with pytest.raises(UserError, match="unknown detection model 'maskrcnn_resnet50_fpn'"):
        backbones.load("detection:maskrcnn_resnet50_fpn,pretrained=false").pretrained()


# --- mean average precision, by hand


def boxes(rows, labels, scores=None) -> dict:
    made = {"boxes": np.reshape(np.array(rows, dtype=float), (-1, 4)), "labels": np.array(labels, dtype=int)}
    return made if scores is None else made | {"scores": np.array(scores, dtype=float)}


LEFT, RIGHT, NEAR = (0, 0, 0.4, 0.4), (0.5, 0.5, 0.9, 0.9), (0.05, 0, 0.45, 0.4)
NONE = boxes([], [], [])


@pytest.mark.parametrize(
    ("found", "wanted", "value"),
    [
        ([boxes([LEFT], [0], [0.9])], [boxes([LEFT], [0])], 1.0),
        ([boxes([NEAR], [0], [0.9])], [boxes([LEFT], [0])], 1.0),  # 0.35 of 0.45 is shared
        ([boxes([LEFT], [1], [0.9])], [boxes([LEFT], [0])], 0.0),
        ([boxes([RIGHT, LEFT], [0, 0], [0.9, 0.8])], [boxes([LEFT], [0])], 0.5),
        (
            [boxes([LEFT, NEAR], [0, 0], [0.9, 0.8])],
            [boxes([LEFT], [0])],
            1.0,
        ),  # a second find comes too late
        ([boxes([LEFT, NEAR], [0, 0], [0.9, 0.8])], [boxes([LEFT, RIGHT], [0, 0])], 0.5),
        ([boxes([LEFT], [0], [0.9]), NONE], [boxes([LEFT], [0]), boxes([LEFT], [1])], 0.5),  # of two classes
        ([boxes([LEFT], [0], [0.5]), boxes([RIGHT], [0], [0.9])], [boxes([LEFT], [0]), NONE], 0.5),
        ([NONE], [boxes([LEFT], [0])], 0.0),
        ([NONE], [NONE], 0.0),
    ],
)
def test_mean_average_precision_by_hand(found, wanted, value):
    assert mean_average_precision(found, wanted) == pytest.approx(value)


def test_surer_right_boxes_are_worth_more():
    wanted = [boxes([LEFT, RIGHT], [0, 0])]
    rows = [LEFT, (0.5, 0, 0.6, 0.1), RIGHT]
    first, last = (mean_average_precision([boxes(rows, [0] * 3, s)], wanted) for s in ([3, 2, 1], [2, 3, 1]))
    assert first == pytest.approx((1 + 2 / 3) / 2) and last == pytest.approx(2 / 3)
