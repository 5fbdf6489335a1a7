import pytest
import torch

from benchmarks.plain_net import PlainNet


@torch.no_grad()
@pytest.mark.parametrize("row", [0, 2])
def test_the_textbook_s_net_paints_the_same_with_kernels(stroked, row):
    image = torch.rand(1, 3, 24, 32, generator=torch.Generator().manual_seed(0))
    code = stroked.code(row)
    found = PlainNet(stroked.net, code[0])(image)
    torch.testing.assert_close(found, stroked.net(image, code, torch.ones(1, 1)))
