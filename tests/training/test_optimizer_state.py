"""The state of an optimizer comes back from its file as it was."""

import torch

from getmore_assets.training import optimizer_state


def test_the_state_comes_back(tmp_path):
    def made() -> tuple[torch.nn.Module, torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR]:
        torch.manual_seed(0)
        layer = torch.nn.Linear(3, 2)
        groups = [{"params": [layer.weight], "weight_decay": 0.1}, {"params": [layer.bias], "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=0.1)
        return layer, optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))

    def step(layer: torch.nn.Module, optimizer: torch.optim.Optimizer, schedule: object) -> None:
        layer(torch.ones(3)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()

    one, again = made(), made()
    for _ in range(3):
        step(*one)
    optimizer_state.write(*one[1:], tmp_path / "checkpoint")
    assert {path.suffix for path in (tmp_path / "checkpoint").iterdir()} == {".safetensors", ".json"}
    again[0].load_state_dict(one[0].state_dict())
    optimizer_state.read(*again[1:], tmp_path / "checkpoint")
    for of in (one, again):
        step(*of)
    assert all(a.equal(b) for a, b in zip(one[0].parameters(), again[0].parameters(), strict=True))
    assert again[2].get_last_lr() == one[2].get_last_lr()
