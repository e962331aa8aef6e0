"""Settings of the embedder."""

from __future__ import annotations

from mnemostream.runtime.settings import Common


class Settings(Common, frozen=True, kw_only=True):
    """Environment: `MNEMO_EMBEDDER_<FIELD>`, and the common ones."""

    model: str = ""
    """Name or folder of a sentence-transformers model; empty = the bundled all-MiniLM-L6-v2."""
    engine: str = "auto"
    """What computes the vectors of the bundled model: openvino, onnxruntime, torch; auto = the fastest that proves its
    vectors. Other models are computed by torch; the model `sleep` by nothing."""
    sleep_seconds: float = 0.2
    """Duration of a call of the model `sleep`, which computes nothing: to measure how embedders scale."""
    fast: bool = False
    """8-bit weights and activations (openvino): faster, vectors that differ a little (cosine 0.999)."""
    device: str = ""
    """cpu, cuda, mps, for torch; empty = the best available."""
    threads: int = 0
    """Threads of the model; 0 = one per core."""
    idle_seconds: float = 300.0
    """Seconds without anything to embed after which the model leaves memory, until there is something; 0 = never."""
    window_tokens: int = 0
    """Maximum tokens in one chunk; 0 = the model's own window."""
    batch_tokens: int = 0
    """Maximum tokens, including padding, in one call of the model; 0 = what suits the engine."""
    cache_texts: int = 4096
    """Number of texts whose vectors are cached, so that an equal text is not embedded again."""
