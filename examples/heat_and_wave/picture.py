"""Fields on a surface side by side, seen from one direction."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.mesh import TriangleMesh


def draw(path: Path, mesh: TriangleMesh, fields: dict[str, NDArray[np.float32]], *, signed: bool) -> None:
    """One panel per field [V]; all but the first share the colours of the second, the first has -1 or 0 to 1."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection

    if mesh.vertices is None:
        raise ValueError("an intrinsic surface cannot be drawn")
    v = mesh.vertices - mesh.vertices.mean(0)
    v = v @ np.linalg.svd(v, full_matrices=False)[2].T
    triangles, reach = v[mesh.faces], np.abs(v).max()
    normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    shade = 0.75 + 0.25 * np.abs(normal[:, 2]) / np.linalg.norm(normal, axis=1)
    figure, axes = plt.subplots(1, len(fields), figsize=(3.1 * len(fields), 2.9), subplot_kw={"projection": "3d"})
    top = float(np.abs(list(fields.values())[1]).max())
    for i, (axis, (name, u)) in enumerate(zip(axes, fields.items())):
        limit = 1.0 if i == 0 else top
        scaled = u / limit
        color = matplotlib.colormaps["RdBu_r" if signed else "inferno"]((scaled + 1) / 2 if signed else scaled)
        face = color[mesh.faces].mean(1)[:, :3] * shade[:, None]
        axis.add_collection3d(Poly3DCollection(triangles, facecolors=face, edgecolors=face, linewidths=0.2))
        axis.set(xlim=(-reach, reach), ylim=(-reach, reach), zlim=(-reach, reach), title=name)
        axis.set_box_aspect((1, 1, 1), zoom=1.7)
        axis.view_init(elev=90, azim=-90)
        axis.set_axis_off()
    figure.subplots_adjust(0, 0, 1, 0.88, wspace=0)
    figure.savefig(path, dpi=110)
    plt.close(figure)
