"""Engines that run the graph of a BERT model: OpenVINO and ONNX Runtime. Neither loads PyTorch."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from mnemostream.services.embedder.engines import graph
from mnemostream.services.embedder.engines.engine import Vectors

BATCH_TOKENS = 512
"""In one call: as fast as larger ones, and a search waits for one of them at most."""
GROUP = 64
"""Activations that share a scale in the fast mode."""

Infer = Callable[[Any, Any], Any]
"""Token numbers and mask of shape (texts, tokens) to vectors, in the calling thread."""


class GraphEngine:
    """One graph, many calls at once. `infer` is made once for each thread that calls."""

    def __init__(self, label: str, reference: Any, folder: Path, infer: Callable[[], Infer], workers: int) -> None:
        self.label = label
        self.name = reference.name
        self.fingerprint = reference.fingerprint
        self.dimensions = reference.dimensions
        self.workers = workers
        self.batch_tokens = BATCH_TOKENS
        self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self.special: int = self._tokenizer.num_special_tokens_to_add(False)
        self.limit: int = json.loads((folder / "sentence_bert_config.json").read_text("utf-8"))["max_seq_length"]
        self._cutting: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._cutting.no_padding()
        self._cutting.enable_truncation(self.limit)
        self._infer = infer
        self._own = threading.local()

    def tokens(self, text: str) -> Sequence[tuple[int, int]]:
        """Character spans of the tokens of `text`, without a limit on their number."""
        offsets: Sequence[tuple[int, int]] = self._tokenizer.encode(text, add_special_tokens=False).offsets
        return offsets

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts that fit the limit; longer ones are cut."""
        rows = [encoded.ids for encoded in self._cutting.encode_batch(list(texts))]
        shape = len(rows), max(map(len, rows))
        numbers, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for at, row in enumerate(rows):
            numbers[at, : len(row)] = row
            mask[at, : len(row)] = 1
        if not hasattr(self._own, "infer"):
            self._own.infer = self._infer()
        return np.array(self._own.infer(numbers, mask), dtype="<f4")


def openvino(folder: Path, reference: Any, threads: int, precision: str) -> GraphEngine:
    """`precision`: f32, bf16 or int8. Raises ImportError, RuntimeError where it cannot be had."""
    ov = _openvino()
    core = ov.Core()
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise RuntimeError("this processor does not compute in bf16")
    model = core.read_model(graph.built(folder), b"")
    settings: dict[str, Any] = {
        "NUM_STREAMS": threads,  # one thread for each call: those that share one wait for each other
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "ENABLE_CPU_PINNING": False,  # embedders side by side would be bound to the same cores
    }
    if precision == "int8":
        _weights_as_int8(model)
        settings["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = GROUP
    compiled = core.compile_model(model, "CPU", settings)

    def infer() -> Infer:
        request = compiled.create_infer_request()
        return lambda numbers, mask: request.infer({"input_ids": numbers, "attention_mask": mask})["embedding"]

    return GraphEngine(f"openvino {precision}", reference, folder, infer, threads)


def _openvino() -> Any:
    """The library, without what reports each import to its makers: it does without the package if it cannot be had."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def _weights_as_int8(model: Any) -> None:
    """Weights of linear layers become 8-bit numbers with a scale for each output; OpenVINO then rounds activations in
    groups as they come and multiplies integers.
    https://docs.openvino.ai/2026/openvino-workflow-generative/inference-with-optimum-intel.html"""
    from openvino import opset13 as op

    for node in model.get_ordered_ops():
        if node.get_type_name() != "MatMul" or node.input_value(1).get_node().get_type_name() != "Constant":
            continue
        weights = node.input_value(1).get_node().data.astype(np.float32)
        scale = np.abs(weights).max(axis=0, keepdims=True) / 127
        small = op.constant(np.round(weights / scale).astype(np.int8))
        node.input(1).replace_source_output(op.multiply(op.convert(small, "f32"), op.constant(scale)).output(0))


def onnxruntime(folder: Path, reference: Any, threads: int) -> GraphEngine:
    """Raises ImportError where it cannot be had."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(graph.built(folder), options, providers=["CPUExecutionProvider"])

    def infer() -> Infer:
        return lambda numbers, mask: session.run(["embedding"], {"input_ids": numbers, "attention_mask": mask})[0]

    return GraphEngine("onnxruntime f32", reference, folder, infer, threads)
