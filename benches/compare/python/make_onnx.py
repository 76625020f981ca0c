"""Exports an encoder with mean pooling and normalisation, both lengths dynamic."""

import sys

import torch
from transformers import AutoModel

encoder, target = sys.argv[1:]


class Embed(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = AutoModel.from_pretrained(encoder, attn_implementation="eager")

    def forward(self, input_ids, attention_mask):
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(states.dtype)
        mean = (states * mask).sum(1) / mask.sum(1)
        return torch.nn.functional.normalize(mean, dim=-1)


ids = torch.randint(1000, 2000, (2, 9))
mask = torch.ones_like(ids)
names = {0: "batch", 1: "length"}
torch.onnx.export(
    Embed().eval(),
    (ids, mask),
    target,
    input_names=["input_ids", "attention_mask"],
    output_names=["vectors"],
    dynamic_axes={"input_ids": names, "attention_mask": names, "vectors": {0: "batch"}},
    opset_version=17,
    dynamo=False,
)
