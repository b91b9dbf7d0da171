"""In what way things fail, and how AI changes the mixture.

By default the mixture shapes stories, not risk: AI makes more of the failures hide and has no effect on their
number. Where a world lets AI raise only the failures that cascade, risk and mixture follow from one ratio.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from counterfault.simulate.organisation import World

MODES = ("cascade", "latency", "race", "silent", "capacity", "data", "other")
# Rows sum to 1. With AI more of the failures are of the kind that hides.
OF_HUMAN_CHANGES = (0.12, 0.17, 0.06, 0.12, 0.10, 0.18, 0.25)
OF_AI_CHANGES = (0.17, 0.19, 0.11, 0.19, 0.08, 0.13, 0.13)
OF_UNRELATED = (0.08, 0.17, 0.02, 0.03, 0.38, 0.07, 0.25)
CASCADE, SILENT = MODES.index("cascade"), MODES.index("silent")


def by_cascades(world: World) -> float:
    """Ratio on the whole risk of a change, when AI multiplies its cascading failures alone."""
    return 1 + OF_HUMAN_CHANGES[CASCADE] * (world.effect.cascades - 1)


def of_ai_changes(world: World) -> NDArray[np.float64]:
    """Shares of the modes among failures of AI-assisted changes.

    Where AI acts on cascades alone every other failure must stay as it was, in number and kind: the human
    mixture, with its cascades multiplied. The stories of :data:`OF_AI_CHANGES` would contradict that.
    """
    if world.effect.cascades == 1:
        return np.array(OF_AI_CHANGES)
    shares = np.array(OF_HUMAN_CHANGES)
    shares[CASCADE] *= world.effect.cascades
    mixture: NDArray[np.float64] = shares / by_cascades(world)
    return mixture


def cascades_gained(world: World) -> float:
    """Share of cascades among failures of AI-assisted changes over their share among the others."""
    return float(of_ai_changes(world)[CASCADE] / OF_HUMAN_CHANGES[CASCADE])
