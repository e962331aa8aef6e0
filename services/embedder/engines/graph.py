"""A BERT model with mean pooling as an ONNX graph, built from its weights: PyTorch is not needed to make or run it.

Operators: https://onnx.ai/onnx/operators/ (opset 20). The model: Devlin et al. 2018, https://arxiv.org/abs/1810.04805;
the pooling: Reimers and Gurevych 2019, https://arxiv.org/abs/1908.10084.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

OPSET, FORMAT = 20, 9
"""Gelu came with opset 20; version of the file format that runtimes of its time read."""
MASKED = 1e4
"""Subtracted from the score of padding: its exponential is 0 in every precision."""


def built(folder: Path) -> bytes:
    """The graph, serialized: int64 `input_ids` and `attention_mask` of shape (texts, tokens) to float32 `embedding` of
    shape (texts, dimensions) and length 1."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    return _Graph(config, load_file(folder / "model.safetensors")).made().SerializeToString()  # type: ignore[no-any-return]


class _Graph:
    def __init__(self, config: dict[str, Any], weights: dict[str, Any]) -> None:
        self.config = config
        self.weights = weights
        self.size: int = config["hidden_size"]
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def made(self) -> Any:
        ones = self.node("Cast", "attention_mask", to=TensorProto.FLOAT)
        hidden = self.embedded()
        row = self.node("Unsqueeze", ones, self.numbers("rows", [1, 2]))
        bias = self.node("Mul", self.node("Sub", row, self.constant("one", 1.0)), self.constant("masked", MASKED))
        for number in range(self.config["num_hidden_layers"]):
            hidden = self.layer(f"encoder.layer.{number}.", hidden, bias)
        self.pooled(hidden, ones)
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"])
            for name in ("input_ids", "attention_mask")
        ]
        output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["texts", self.size])
        graph = helper.make_graph(self.nodes, "bert", inputs, [output], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=FORMAT)

    def embedded(self) -> str:
        """Words, positions and the one kind of token, normalised."""
        kind = self.weights["embeddings.token_type_embeddings.weight"][0]
        places = self.constant("places", self.weights["embeddings.position_embeddings.weight"] + kind)
        words = self.constant("words", self.weights["embeddings.word_embeddings.weight"])
        shape = self.node("Shape", "input_ids", start=1, end=2)
        first = self.node("Slice", places, self.numbers("zero", [0]), shape, self.numbers("axis", [0]))
        return self.norm(self.node("Add", self.node("Gather", words, "input_ids"), first), "embeddings.LayerNorm")

    def layer(self, name: str, hidden: str, bias: str) -> str:
        """Attention among the tokens of a text, then each token by itself."""
        attended = self.linear(self.attention(name, hidden, bias), name + "attention.output.dense")
        hidden = self.norm(self.node("Add", attended, hidden), name + "attention.output.LayerNorm")
        wide = self.node("Gelu", self.linear(hidden, name + "intermediate.dense"))
        return self.norm(self.node("Add", self.linear(wide, name + "output.dense"), hidden), name + "output.LayerNorm")

    def attention(self, name: str, hidden: str, bias: str) -> str:
        heads = self.config["num_attention_heads"]
        split = self.numbers("split", [0, 0, heads, self.size // heads])
        query, key, value = (
            self.node("Reshape", self.linear(hidden, f"{name}attention.self.{part}"), split)
            for part in ("query", "key", "value")
        )
        query = self.node("Transpose", query, perm=[0, 2, 1, 3])
        key = self.node("Transpose", key, perm=[0, 2, 3, 1])
        value = self.node("Transpose", value, perm=[0, 2, 1, 3])
        scale = self.constant("scale", (self.size // heads) ** -0.5)
        scores = self.node("Add", self.node("Mul", self.node("MatMul", query, key), scale), bias)
        mixed = self.node("MatMul", self.node("Softmax", scores, axis=-1), value)
        joined = self.node("Transpose", mixed, perm=[0, 2, 1, 3])
        return self.node("Reshape", joined, self.numbers("join", [0, 0, self.size]))

    def pooled(self, hidden: str, ones: str) -> None:
        """The mean of the tokens that are no padding, at length 1."""
        kept = self.node("Mul", hidden, self.node("Unsqueeze", ones, self.numbers("last", [2])))
        along = self.numbers("along", [1])
        total = self.node("ReduceSum", kept, along, keepdims=0)
        mean = self.node("Div", total, self.node("ReduceSum", ones, along, keepdims=1))
        self.nodes.append(helper.make_node("LpNormalization", [mean], ["embedding"], axis=-1, p=2))

    def linear(self, x: str, name: str) -> str:
        product = self.node("MatMul", x, self.constant(f"{name}.weight", self.weights[f"{name}.weight"].T))
        return self.node("Add", product, self.constant(f"{name}.bias", self.weights[f"{name}.bias"]))

    def norm(self, x: str, name: str) -> str:
        scale, bias = (self.constant(f"{name}.{part}", self.weights[f"{name}.{part}"]) for part in ("weight", "bias"))
        return self.node("LayerNormalization", x, scale, bias, axis=-1, epsilon=self.config["layer_norm_eps"])

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        output = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def constant(self, name: str, value: Any) -> str:
        return self._kept(name, np.ascontiguousarray(value, dtype=np.float32).reshape(np.shape(value)))

    def numbers(self, name: str, value: list[int]) -> str:
        return self._kept(name, np.array(value, dtype=np.int64))

    def _kept(self, name: str, value: Any) -> str:
        if all(constant.name != name for constant in self.constants):
            self.constants.append(numpy_helper.from_array(value, name))
        return name
