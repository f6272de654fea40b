import numpy as np
import pytest

from gaugenet.meshes import shapes
from gaugenet.meshes.fans import build_fans, packed
from gaugenet.meshes.spokes import all_spokes


def cotangents(mesh):
    """{edge: sum of the cotangents of the angles opposite to it}, from positions."""
    found = {}
    for face in mesh.faces.tolist():
        for k in range(3):
            p, q, far = face[k], face[(k + 1) % 3], mesh.vertices[face[(k + 2) % 3]]
            a, b = mesh.vertices[p] - far, mesh.vertices[q] - far
            key = (min(p, q), max(p, q))
            found[key] = found.get(key, 0.0) + a @ b / np.linalg.norm(np.cross(a, b))
    return found


@pytest.mark.parametrize(
    "shape", [shapes.torus(14, 8, jitter=0.2), shapes.mobius_strip(16, 4, jitter=0.2)], ids=["torus", "Möbius"]
)
def test_each_edge_is_a_spoke_of_both_ends(shape):
    """With a random handedness, and on the Möbius strip with faces of either winding round some vertices."""
    mesh = shape.mesh
    hand = np.random.default_rng(0).choice([-1, 1], mesh.n_vertices)
    fans = build_fans(mesh, hand)
    half_edges, vertices = packed(fans)
    spokes = all_spokes(half_edges, vertices, fans.corners)
    of = np.repeat(np.arange(mesh.n_vertices), vertices["last_spoke"] - vertices["first_spoke"])
    at = {(int(c), int(a)): i for i, (c, a) in enumerate(zip(of, spokes["vertex"]))}
    weight = cotangents(mesh)
    assert len(at) == len(spokes) == 2 * len(weight)
    for (c, a), i in at.items():
        here, back = spokes[i], spokes[at[a, c]]
        assert here["weight"] == pytest.approx(weight[min(a, c), max(a, c)], rel=1e-9, abs=1e-12)
        length = np.linalg.norm(mesh.vertices[a] - mesh.vertices[c]) / fans.unit
        step, turn = (complex(here[f"{name}_x"], here[f"{name}_y"]) for name in ("step", "turn"))
        assert (here["length"], abs(step), abs(turn)) == pytest.approx((length, length, 1.0), rel=1e-12)
        # g_{a<-c} takes the edge seen from c, which leads there, to minus the edge seen from a
        seen = complex(back["step_x"], back["step_y"])
        assert abs(turn * (seen if here["flip"] > 0 else seen.conjugate()) + step) < 1e-12
        assert here["flip"] == back["flip"]
