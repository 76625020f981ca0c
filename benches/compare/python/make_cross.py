"""Makes a cross-encoder of an encoder and a new scoring layer, for what does not depend on what
its weights are."""

import sys

import torch
from sentence_transformers import CrossEncoder

encoder, target = sys.argv[1:]
torch.manual_seed(42)
CrossEncoder(encoder, num_labels=1, max_length=128, device="cpu").save_pretrained(target)
