"""Two processes with batch normalisation give what one gives with both batches, gradients and running values too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gaugenet.nn.sums_over_processes import processes, sum_over_processes

PROGRAM = """
import sys
import torch
from pathlib import Path
from gaugenet.field_type import FieldType
from gaugenet.nn.batch_norm import BatchNorm
from gaugenet.nn.self_interaction import SelfInteraction
from gaugenet.nn.sums_over_processes import sum_over_processes
from gaugenet.training import joined_world


def found(rank):
    field = FieldType.parse("O(2): 3x0 + 2x0- + 2x1")
    generator = torch.Generator().manual_seed(0)
    # the second process also once has no vertex at all
    batches = [(2 + torch.randn(n, field.dim, generator=generator, dtype=torch.float64)).split(sizes)
               for n, sizes in ((50, (20, 30)), (7, (7, 0)))]
    first = SelfInteraction(field, field, generator=torch.Generator().manual_seed(1)).double()
    second = SelfInteraction(field, field, generator=torch.Generator().manual_seed(2)).double()
    model = torch.nn.Sequential(first, BatchNorm(field).double(), torch.nn.Tanh(), second)
    parallel = torch.nn.parallel.DistributedDataParallel(model, broadcast_buffers=False)
    outputs = []
    for parts in batches:
        y = parallel(parts[rank])
        (2 * (y ** 3).sum()).backward()  # DDP takes the mean over the processes
        gathered = [None, None]
        torch.distributed.all_gather_object(gathered, y.detach())
        outputs.append(torch.cat(gathered))
    twice = torch.ones(1, dtype=torch.float64, requires_grad=True)
    (g,) = torch.autograd.grad(sum_over_processes(twice * (rank + 1.0)) ** 3, twice, create_graph=True)
    (h,) = torch.autograd.grad(g, twice)
    return {"outputs": outputs, "gradients": [p.grad for p in model.parameters()], "g": g.item(), "h": h.item(),
            "buffers": [model[1].running_mean, model[1].running_square]}


def threads():
    return sum("gloo" in name.read_text() for name in Path("/proc/self/task").glob("*/comm"))


torch.set_num_threads(1)
with joined_world(torch.device("cpu")) as world:
    result, during = found(world.rank), threads()
if world.is_first:
    torch.save(result | {"threads": [during, threads()]}, sys.argv[1])
"""


def one_process(apart=False):
    from gaugenet.field_type import FieldType
    from gaugenet.nn.batch_norm import BatchNorm
    from gaugenet.nn.self_interaction import SelfInteraction

    field = FieldType.parse("O(2): 3x0 + 2x0- + 2x1")
    generator = torch.Generator().manual_seed(0)
    batches = [2 + torch.randn(n, field.dim, generator=generator, dtype=torch.float64) for n in (50, 7)]
    first, second = (
        SelfInteraction(field, field, generator=torch.Generator().manual_seed(seed)).double() for seed in (1, 2)
    )
    model = torch.nn.Sequential(first, BatchNorm(field).double(), torch.nn.Tanh(), second)
    outputs = []
    for x in batches:
        y = torch.cat([model(x[:20]), model(x[20:])]) if apart and len(x) > 20 else model(x)
        (y**3).sum().backward()
        outputs.append(y.detach())
    return {
        "outputs": outputs,
        "gradients": [p.grad for p in model.parameters()],
        "buffers": [model[1].running_mean, model[1].running_square],
    }


def two_processes(tmp_path):
    program, out = tmp_path / "program.py", tmp_path / "found.pt"
    program.write_text(PROGRAM)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *launcher, str(program), str(out)],
        env=environment, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return torch.load(out, weights_only=True)


def largest_difference(found, expected):
    """Each relative to the largest of its kind: the gradient of a bias before the layer is nothing but rounding."""
    worst = 0.0
    for name in ("outputs", "gradients", "buffers"):
        size = max(float(b.abs().max()) for b in expected[name])
        for a, b in zip(found[name], expected[name], strict=True):
            worst = max(worst, float((a - b).abs().max()) / size)
    return worst


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch was built without torch.distributed")
def test_statistics_and_gradients_are_those_of_one_batch(tmp_path):
    found, expected = two_processes(tmp_path), one_process()
    assert largest_difference(found, expected) < 1e-12
    # the twin without sums over processes
    assert largest_difference(one_process(apart=True), expected) > 1e-2
    # L_i = (a + 2 b)^3 with a = b = 1 in each of two processes: the sum over i of 3 s^2 (i + 1), and of 6 s (i + 1)^2
    assert found["g"] == 2 * 3 * 9
    assert found["h"] == pytest.approx(2 * 6 * 3 * (1 + 2))
    # one that outlives the group may take the process down while the interpreter ends
    during, after = found["threads"]
    assert after == 0
    assert during > 0 or not Path("/proc/self/task").is_dir()


def test_one_process_has_its_own_sums():
    x = torch.ones(2)
    assert processes() == 1
    assert sum_over_processes(x) is x
