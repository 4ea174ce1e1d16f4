"""Turn pydantic's validation errors into one-line messages about params.yaml: the key path as it is written there, what
was found, and what is allowed."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from pixelproof.core.errors import ParamsError, nearest


def explain(model: type[BaseModel], detail: ErrorDetails, more: int, prefix: str) -> ParamsError:
    """The error for one thing that pydantic found wrong.

    Args:
        model: the model that validated the values.
        detail: pydantic's description of the error.
        more: the number of other errors.
        prefix: the key path of the validated values, ending in a dot.
    """
    steps, at = walk(model, detail["loc"][:-1])
    last, context = detail["loc"][-1], detail.get("ctx", {})
    path = prefix + ".".join([*steps, *walk(at, (last,))[0]])
    kind, message = detail["type"], detail["msg"].removeprefix("Value error, ")
    rest = f" (and {more} more)" if more else ""
    if kind == "missing":
        return ParamsError(path, "no such key", f"add it{rest}")
    if kind == "extra_forbidden":
        names = fields(at)
        return ParamsError(
            path, "an unknown key", f"allowed: {', '.join(sorted(names))}{nearest(str(last), names)}{rest}"
        )
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        key = str(context["discriminator"]).strip("'")
        names = [name for option in options(walk(model, detail["loc"])[1]) for name in tags(option, key)]
        tag = context.get("tag")
        found, near = (repr(tag), nearest(str(tag), names)) if tag else ("nothing", "")
        return ParamsError(f"{path}.{key}", found, f"allowed: {', '.join(names)}{near}{rest}")
    found = f"{detail['input']!r} ({type(detail['input']).__name__})"
    near = nearest(str(detail["input"]), str(context.get("expected", "")).replace("'", " ").split())
    return ParamsError(path, found, f"{message[0].lower()}{message[1:]}{near}{rest}")


def walk(at: Any, path: tuple[int | str, ...]) -> tuple[list[str], Any]:
    """The keys of a path as in params.yaml (without pydantic's tags of unions), and the type at its end."""
    steps = []
    for part in path:
        if get_origin(at) in (list, tuple, dict):
            at = get_args(at)[-1]
        elif tagged := [option for option in options(at) if part in tags(option, *option.model_fields)]:
            at = tagged[0]
            continue
        else:
            known = next((o.model_fields for o in options(at) if str(part) in o.model_fields), {})
            at = known[str(part)].annotation if known else None
        steps.append(str(part))
    return steps, at


def options(at: Any) -> list[type[BaseModel]]:
    """The models that a type allows: the type itself, or the members of a union."""
    if isinstance(at, type) and issubclass(at, BaseModel):
        return [at]
    inner = get_args(at)[:1] if get_origin(at) is Annotated else get_args(at)
    return [] if get_origin(at) in (list, tuple, dict) else [option for part in inner for option in options(part)]


def tags(option: type[BaseModel], *keys: str) -> list[str]:
    """The values of a model's Literal fields; one of these fields tells the members of a union apart."""
    types = [option.model_fields[key].annotation for key in keys]
    return [str(value) for literal in types if get_origin(literal) is Literal for value in get_args(literal)]


def fields(at: Any) -> list[str]:
    """The keys that a type allows."""
    return sorted({name for option in options(at) for name in option.model_fields})
