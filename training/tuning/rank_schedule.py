"""When AdaLoRA moves its ranks to where they are needed."""

from __future__ import annotations

from typing import Any

from torch import nn

__all__ = ["RankSchedule"]


class RankSchedule:
    """Prunes the ranks of AdaLoRA after every step, from those at first to those wanted; of other strategies nothing.

    Args:
        model: Adapted encoder.
        rank: Mean rank at the end.
        steps: Number of steps in all: a tenth before the first pruning, a third after the last.
    """

    def __init__(self, model: nn.Module, rank: int, steps: int) -> None:
        self.model, self.step = model, 0
        self.allocator: Any = None
        if any("lora_E" in name for name, _ in model.named_parameters()):
            from peft import AdaLoraConfig
            from peft.tuners.adalora import layer

            config = AdaLoraConfig(target_r=rank, total_step=steps, tinit=steps // 10, tfinal=steps // 3, deltaT=5)
            allocator: Any = layer.RankAllocator
            self.allocator = allocator(model, config, "default")

    def after_step(self) -> None:
        """Weigh the ranks by the gradients of the step that was taken."""
        self.step += 1
        if self.allocator is not None:
            self.allocator.update_and_allocate(self.model, self.step)
