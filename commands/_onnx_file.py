"""Converts a network to the bytes of an ONNX file, and compares that file's outputs with PyTorch's."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from commands._object_outputs import CLASSES, ObjectOutputs, WithObjects
from pixelproof.core.errors import StateError
from pixelproof.nn.facts import Deployed

TOLERANCE = 1e-3  # of logits, relative to the largest one where that is above 1
IMAGES_AT_ONCE = 8
GRAPHS = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)


@dataclass(frozen=True)
class Agreement:
    """The largest logit difference, its bound, and the share of pixels that get the same class."""

    difference: float
    bound: float
    same: float

    @property
    def holds(self) -> bool:
        """Whether the two agree; a NaN in either means that they do not."""
        return self.difference <= self.bound


def as_onnx(arch: str, model: Any, height: int, width: int, objects: ObjectOutputs | None = None) -> bytes:
    """The network as ONNX, for images of one size and any batch size. The same network gives the same bytes.

    Args:
        arch: Its name, for errors.
        model: The network.
        height: Of the images.
        width: Of the images.
        objects: The outputs for objects, if it finds any.
    """
    example = torch.zeros(2, height, width, 3, dtype=torch.uint8)  # a batch of 1 would become a constant
    network = WithObjects(model, objects.module) if objects else Deployed(model)
    try:
        with quiet(), torch.no_grad():
            program = torch.onnx.export(
                network.eval(),
                (example,),
                dynamo=True,
                external_data=False,
                input_names=["image"],
                output_names=objects.names if objects else list(CLASSES),
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                verbose=False,
                custom_translation_table=dict(objects.translations) if objects else None,
            )
    except Exception as error:  # whatever a layer or the exporter raises
        raise StateError(
            arch, f"ONNX cannot express {operation(error)}", "this architecture cannot be exported"
        ) from None
    proto = program.model_proto  # type: ignore[union-attr]
    if not proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        found = "it processes the images of a batch one by one, which ONNX cannot express"
        raise StateError(arch, found, "this architecture cannot be exported")
    anonymous(proto)
    for key, value in objects.facts().items() if objects else ():
        proto.metadata_props.add(key=key, value=value)
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the exporter, which reports its steps and packages that nothing here needs."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.ERROR)
        try:
            yield
        finally:
            logging.disable(before)


def operation(error: BaseException) -> str:
    """What the exporter failed on: the operation if a message names one, else the original error."""
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    for text in map(str, chain):
        if named := re.search(r"\b(?:aten|prims|torchvision|mmcv)(?:\.|::)\w+(?:\.\w+)?", text):
            return named[0]
    return f"a step ({type(chain[-1]).__name__}: {' '.join(str(chain[-1]).split())[:200]})"


def anonymous(proto: onnx.ModelProto) -> None:
    """Remove the paths on this machine that the exporter recorded."""
    del proto.metadata_props[:]
    for function in proto.functions:
        del function.metadata_props[:]
        nodes_anonymous(function.node)
    graph_anonymous(proto.graph)


def graph_anonymous(graph: onnx.GraphProto) -> None:
    """The same for a graph."""
    for part in (graph, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    nodes_anonymous(graph.node)


def nodes_anonymous(nodes: Iterable[onnx.NodeProto]) -> None:
    """The same for nodes and the graphs in them."""
    for node in nodes:
        del node.metadata_props[:]
        node.doc_string = ""
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs) if attribute.type in GRAPHS else ():
                graph_anonymous(inner)


def opened(content: bytes, threads: int) -> Any:
    """A session of ONNX Runtime on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def compare(content: bytes, model: Any, images: Iterable[NDArray[np.uint8]], threads: int) -> Agreement:
    """ONNX Runtime against PyTorch, both in fp32 on the CPU, over images of one size."""
    session = opened(content, threads)
    network = Deployed(model).eval()
    difference, largest, same, pixels = 0.0, 0.0, 0, 0
    left = iter(images)
    while some := list(islice(left, IMAGES_AT_ONCE)):
        batch = np.stack(some)
        with torch.inference_mode():
            logits, classes = (tensor.numpy() for tensor in network(torch.from_numpy(batch)))
        found_logits, found_classes = session.run(CLASSES, {"image": batch})
        difference = float(np.max([difference, np.abs(found_logits - logits).max()]))  # a NaN stays
        largest = max(largest, float(np.abs(logits).max()))
        same, pixels = same + int((found_classes == classes).sum()), pixels + classes.size
    return Agreement(difference, TOLERANCE * max(1.0, largest), same / pixels)
