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

TOLERANCE = 1e-3  # of logits and other maps, relative to the largest one where that is above 1
IMAGES_AT_ONCE = 8
GRAPHS = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)


@dataclass(frozen=True)
class Agreement:
    """The largest difference, its bound, the share of pixels that get the same class, and of what the difference is."""

    difference: float
    bound: float
    same: float
    output: str = "logits"

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
    network = module(model, objects)
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


def compare(
    content: bytes,
    model: Any,
    images: Iterable[NDArray[np.uint8]],
    threads: int,
    objects: ObjectOutputs | None = None,
) -> Agreement:
    """ONNX Runtime against PyTorch, both in fp32 on the CPU, over images of one size.

    Args:
        content: The ONNX file.
        model: The network.
        images: Of one size.
        threads: Of ONNX Runtime.
        objects: The outputs for objects, if there are any; maps of them are compared as logits are.
    """
    session = opened(content, threads)
    values = objects.compared if objects else ["logits"]
    network = module(model, objects if len(values) > 1 else None).eval()
    names = objects.names if objects and len(values) > 1 else list(CLASSES)
    apart, largest = dict.fromkeys(values, 0.0), dict.fromkeys(values, 1.0)
    same, pixels, left = 0, 0, iter(images)
    while some := list(islice(left, IMAGES_AT_ONCE)):
        batch = np.stack(some)
        with torch.inference_mode():
            wanted = dict(zip(names, (tensor.numpy() for tensor in network(torch.from_numpy(batch))), strict=True))
        found = dict(zip(names, session.run(names, {"image": batch}), strict=True))
        for name in values:
            apart[name] = float(np.max([apart[name], np.abs(found[name] - wanted[name]).max()]))  # a NaN stays
            largest[name] = max(largest[name], float(np.abs(wanted[name]).max()))
        same += int((found["classes"] == wanted["classes"]).sum())
        pixels += wanted["classes"].size
    worst = max(values, key=lambda name: np.nan_to_num(apart[name] / largest[name], nan=np.inf))
    return Agreement(apart[worst], TOLERANCE * largest[worst], same / pixels, worst)


def module(model: Any, objects: ObjectOutputs | None) -> torch.nn.Module:
    """The network with its preprocessing, and with the outputs for objects if there are any."""
    return WithObjects(model, objects.module) if objects else Deployed(model)
