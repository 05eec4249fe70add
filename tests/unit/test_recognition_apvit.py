"""APViT pools what attention says, is built as published, and reads its authors' checkpoint whole."""

from decimal import Decimal

import pytest
import torch
from facetory.pipeline.files import FacetoryError, read_json
from facetory.recognition.apvit import Block, PoolingTransformer, Size, apvit, chosen, most_weighted
from facetory.recognition.checkpoint import LISTS, load
from hypothesis import given
from hypothesis import strategies as st


def test_the_most_weighted_tokens_are_kept_in_their_order():
    weights = torch.tensor([[0.1, 0.9, -2.0, 0.5, 0.4], [3.0, -1.0, 2.0, 2.5, 0.0]])
    positions = most_weighted(weights, 3)
    assert positions.tolist() == [[1, 3, 4], [0, 2, 3]]
    tokens = torch.arange(20.0).reshape(2, 5, 2)
    assert chosen(tokens, positions)[0].tolist() == [[2, 3], [6, 7], [8, 9]]


@given(st.integers(1, 12), st.integers(0, 1000))
def test_no_token_left_out_weighs_more_than_one_kept(kept, seed):
    weights = torch.randn(3, 12, generator=torch.Generator().manual_seed(seed))
    positions = most_weighted(weights, kept)
    left = weights.scatter(1, positions, -torch.inf).amax(1)
    assert torch.all(weights.gather(1, positions).amin(1) >= left)
    assert torch.all(positions.diff(dim=1) > 0)


def attending_to_second_feature():
    """A block whose class token, (1, 0), asks for tokens by their second feature, and that adds nothing."""
    block = Block(2, heads=1, keep_rate=0.5)
    for norm in (block.norm1, block.norm2):
        norm.forward = lambda tokens: tokens
    query, key, value = torch.tensor([[1.0, 0], [0, 0]]), torch.tensor([[0, 1.0], [0, 0]]), torch.zeros(2, 2)
    block.attn.qkv.weight.data = torch.cat([query, key, value])
    for layer in (block.attn.proj, block.mlp.fc2):
        layer.weight.data.zero_()
        layer.bias.data.zero_()
    return block


def test_token_pooling_by_hand():
    """Of four tokens the two whose logits under the class token are largest, not largest in size, go on."""
    tokens = torch.tensor([[[1.0, 0], [7, 0.2], [8, -9], [9, 0.3], [6, 0.1]]])
    assert torch.equal(attending_to_second_feature()(tokens), tokens[:, [0, 1, 3]])


def test_a_keep_rate_of_one_keeps_every_token():
    tokens = torch.randn(2, 6, 8)
    assert Block(8, heads=2, keep_rate=1.0)(tokens).shape == (2, 6, 8)
    assert Block(8, heads=2, keep_rate=0.9)(tokens).shape == (2, 1 + 4, 8)


def test_patch_pooling_takes_the_most_active_patches():
    """196 patches, of which 160 go on, by the sum of absolute activations; a silent patch does not count."""
    size = Size((1,), (1,), width=4, heads=1, keep_rates=[])
    vit = PoolingTransformer(size, patches=196)
    vit.blocks = seen = Recorder()
    maps = torch.zeros(1, 1, 14, 14)
    maps[..., :10, :] = -torch.arange(1.0, 141).reshape(10, 14)
    maps[0, 0, 13, :] = 5
    vit.projs[0].weight.data.fill_(1)
    vit.projs[0].bias.data.zero_()
    vit.patch_pos_embed.data.zero_()
    vit(maps)
    kept = seen.tokens[0, 1:, 0]
    assert len(kept) == 160
    assert (kept != 0).sum() == 154, "all patches that are active, of either sign"


class Recorder(torch.nn.Module):
    """Keeps what passes."""

    def forward(self, tokens):
        self.tokens = tokens
        return tokens


def hollow():
    """The published network full of zeros; drawing 65 million truncated normals takes seconds."""
    with torch.device("meta"):
        network = apvit(7)
    network.to_empty(device="cpu")
    for tensor in network.state_dict().values():
        tensor.zero_()
    return network.eval()


def test_as_many_tokens_as_published_reach_each_block():
    lengths = []
    vit = hollow().vit
    for block in vit.blocks:
        block.register_forward_hook(lambda module, given, tokens: lengths.append(tokens.shape[1] - 1))
    with torch.inference_mode():
        vit(torch.zeros(1, 256, 14, 14))
    assert lengths == [160] * 4 + [144, 129, 116, 104]


def test_a_batch_of_as_many_faces_as_tokens_is_pooled_too():
    """The authors' blocks compare the batch's length with the number of tokens, and then pool nothing."""
    block, tokens = Block(8, heads=2, keep_rate=0.5), torch.randn(5, 5, 8)
    assert block(tokens).shape == (5, 3, 8)


def test_parameters_are_as_many_as_published():
    with torch.device("meta"):
        count = sum(weight.numel() for weight in apvit(7).parameters())
    told = read_json(LISTS / "apvit.json")["parameters"]
    assert count == told["authors"] == told["ours"] == 65_209_543
    assert Decimal(count).scaleb(-6).quantize(Decimal("0.1")) == Decimal(told["published"]).scaleb(-6)


@pytest.mark.parametrize("side", [64, 65, 112])
def test_the_small_one_takes_any_side(side):
    assert apvit(5, "small", side)(torch.zeros(2, 3, side, side)).shape == (2, 5)


def test_an_authors_checkpoint_gives_its_logits(tmp_path):
    original, network = hollow(), hollow()
    for name, tensor in original.state_dict().items():
        if tensor.is_floating_point():
            tensor.uniform_(0, 0.02) if "running" not in name else tensor.uniform_(0.5, 1)
    torch.save({"meta": {"epoch": 40}, "state_dict": original.state_dict()}, tmp_path / "apvit.pth")
    told = load(network, "apvit", tmp_path / "apvit.pth")
    faces = torch.randn(1, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits = network(faces)
        assert torch.equal(logits, original(faces)) and len(logits.unique()) == 7
    assert told["classes"]["rafdb_basic"][0] == "anger", "not RAF-DB's own order"


def test_a_checkpoint_that_lacks_a_tensor_is_refused(tmp_path):
    with torch.device("meta"):
        network = apvit(7)
    weights = {key: torch.zeros(()).expand(tensor.shape) for key, tensor in network.state_dict().items()}
    weights["vit.pos_embed"] = weights.pop("vit.patch_pos_embed")
    torch.save({"state_dict": weights}, tmp_path / "old.pth")
    with pytest.raises(FacetoryError, match=r"missing: vit\.patch_pos_embed.*unexpected: vit\.pos_embed"):
        load(network, "apvit", tmp_path / "old.pth")
