"""Surfaces that helper processes prepare while training has begun."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import overload

from gaugenet.data.dataset import Plan, SurfaceSample
from gaugenet.data.labelled import LabelledMesh
from gaugenet.data.parallel import Helper
from gaugenet.meshes.cache import GeometryCache


class BackgroundPreparation:
    """Prepares surfaces in helper processes, in a given order, and hands them over through the cache.

    A surface that is asked for before a helper has taken it is prepared here; one that a helper is at work on is waited
    for. Who prepares it does not change it, so that a run sees what it would see if all had been prepared before. What
    a helper could not do is done here again, where its error is raised.

    Args:
        surfaces: all of them.
        plan: how they are prepared; with the folder of the cache.
        check: called with each sample when it is first asked for; raises where the run must not go on with it.
    """

    def __init__(self, surfaces: Sequence[LabelledMesh], plan: Plan, check: Callable[[SurfaceSample], None]) -> None:
        self.surfaces = list(surfaces)
        self._plan, self._check = plan, check
        self._changed = threading.Condition()
        self._taken: set[int] = set()
        self._filled: set[int] = set()
        self._samples: dict[int, SurfaceSample] = {}
        self._helpers: list[Helper] = []

    def start(self, order: Sequence[int], workers: int) -> None:
        """Let `workers` helper processes begin, with the surfaces in that order."""
        self._helpers = [Helper(self._plan.fill) for _ in range(workers)]
        for helper in self._helpers:
            threading.Thread(target=self._drive, args=(helper, list(order)), daemon=True).start()

    def stop(self) -> None:
        """End the helpers."""
        for helper in self._helpers:
            helper.stop()

    def sample(self, place: int) -> SurfaceSample:
        """
        Raises:
            ValueError: the surface cannot be prepared, or `check` refuses it.
        """
        if place not in self._samples:
            with self._changed:
                if place in self._taken:
                    self._changed.wait_for(lambda: place in self._filled)
                self._taken.add(place)
            sample = self._plan.sample(self.surfaces[place], GeometryCache(self._plan.folder), None)
            self._check(sample)
            self._samples[place] = sample
        return self._samples[place]

    def is_ready(self, place: int) -> bool:
        """Whether `sample` answers at once."""
        return place in self._samples

    def _drive(self, helper: Helper, order: list[int]) -> None:
        while helper.ready() and (place := self._take(order)) is not None:
            try:
                helper.do(("", self.surfaces[place]))
            finally:
                with self._changed:
                    self._filled.add(place)
                    self._changed.notify_all()
        helper.stop()

    def _take(self, order: list[int]) -> int | None:
        with self._changed:
            place = next((i for i in order if i not in self._taken), None)
            if place is not None:
                self._taken.add(place)
            return place


class PendingSurfaces(Sequence[SurfaceSample]):
    """Some of the surfaces of a preparation, each of which is waited for when it is asked for."""

    def __init__(self, preparation: BackgroundPreparation, places: Sequence[int]) -> None:
        self.preparation, self.places = preparation, list(places)

    @property
    def surfaces(self) -> list[LabelledMesh]:
        """Meshes and labels, which are there from the beginning."""
        return [self.preparation.surfaces[i] for i in self.places]

    @property
    def are_ready(self) -> bool:
        return all(self.preparation.is_ready(i) for i in self.places)

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> SurfaceSample: ...

    @overload
    def __getitem__(self, index: slice) -> PendingSurfaces: ...

    def __getitem__(self, index: int | slice) -> SurfaceSample | PendingSurfaces:
        if isinstance(index, slice):
            return PendingSurfaces(self.preparation, self.places[index])
        return self.preparation.sample(self.places[index])

    def chosen(self, indices: Sequence[int]) -> PendingSurfaces:
        """Some of these."""
        return PendingSurfaces(self.preparation, [self.places[i] for i in indices])
