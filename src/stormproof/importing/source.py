"""Write a draft as Python, laid out as a formatter would leave it.

What does not fit on a line is broken after its opening bracket, one element a line, each with a
comma behind it; such a layout stays as it is at any line length from 88 on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from stormproof.importing.draft import (
    Call,
    Code,
    Dial,
    Expect,
    FileDraft,
    HangUp,
    JourneyDraft,
    Send,
    Step,
    Value,
)

WIDTH = 88
DOC_WIDTH = 80
INDENT = "    "
BODILESS = ("get", "head", "options")  # their functions take no body, `request` does
_PRINTABLE = re.compile(r"[^\x20-\x7e\xa1-\uffff]|[\u2028\u2029\ufeff\u202a-\u202e\u2066-\u2069]")


def render(draft: FileDraft) -> str:
    """Return the source of a journey file."""
    imports = ["User", "check", "journey", *(["secret"] if draft.secrets else [])]
    body = [line for journey in draft.journeys for line in ("", "", *_journey(journey))]
    lines = [
        *_docstring(draft),
        "",
        *(["import json", ""] if any(_sends_json(one) for one in draft.journeys) else []),
        f"from stormproof import {', '.join(imports)}",
    ]
    if draft.secrets:
        lines += ["", *(f'{name} = secret("{name}")' for name in draft.secrets)]
    return "\n".join([*lines, *body]) + "\n"


def _sends_json(journey: JourneyDraft) -> bool:
    """Say whether a message of a journey is written as JSON."""
    steps = (step for page in journey.pages for step in page.steps)
    return any(isinstance(one, Send) and not isinstance(one.message, str) for one in steps)


def _docstring(draft: FileDraft) -> Iterator[str]:
    yield f'"""{_prose(draft.title)}.'
    yield ""
    yield from _wrapped(f"Run it: stormproof run THIS_FILE --target {draft.target}", "")
    if draft.secrets:
        yield ""
        names = ", ".join(draft.secrets)
        yield from _wrapped(f"Secrets come from the environment: {names}.", "")
    if draft.notes:
        yield ""
        for note in draft.notes:
            yield from _wrapped(f"- {_prose(note)}", "  ")
    yield '"""'


def _prose(text: str) -> str:
    """Make text harmless within a docstring or a comment."""
    clean = _PRINTABLE.sub(" ", text).replace("\\", "/").replace('"""', "'''")
    return " ".join(clean.split()).rstrip('"').rstrip(".")


def _wrapped(text: str, hang: str) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line.strip() and len(line) + 1 + len(word) > DOC_WIDTH:
            yield line
            line = hang + word
        else:
            line = f"{line} {word}" if line.strip() else line + word
    if line.strip():
        yield line


def _journey(journey: JourneyDraft) -> Iterator[str]:
    yield "@journey"
    yield f"async def {journey.name}(user: User) -> None:"
    yield f'{INDENT}"""{_prose(journey.title)}."""'
    is_first = True
    for page in journey.pages:
        if not is_first:
            yield ""
        if page.title:
            yield f"{INDENT}# {_prose(page.title)}"
        for step in page.steps:
            yield from _step(step)
            is_first = False
    if is_first:
        yield f"{INDENT}await user.think(1)"


def _step(step: Step) -> Iterator[str]:
    match step:
        case Call():
            yield from _call(step)
        case Dial():
            yield from _dial(step)
        case Send():
            yield from _send(step)
        case Expect():
            yield from _expect(step)
        case HangUp():
            yield f"{INDENT}await {step.socket}.close()"


def _dial(dial: Dial) -> Iterator[str]:
    yield from _think(dial.think_s)
    arguments = [literal(dial.path, 2 * len(INDENT))]
    arguments += [_named(name, value) for name, value in dial.values.items()]
    arguments += _mappings(("query", dial.query), ("headers", dial.headers))
    if dial.subprotocols:
        arguments.append(_named("subprotocols", list(dial.subprotocols)))
    yield from _invocation(f"{dial.keep_as} = await user.ws.connect", arguments)
    yield from _check(dial.keep_as, f"{dial.keep_as.replace('_', ' ')}: open", "is_open")


def _send(send: Send) -> Iterator[str]:
    yield from _think(send.think_s)
    message, function = send.message, f"{send.socket}.send"
    if isinstance(message, str):
        yield from _invocation(function, [literal(message, 2 * len(INDENT))])
        return
    whole = f"json.dumps({_flat(message)})"
    if len(f"{INDENT}{function}({whole})") > WIDTH and len(f"{INDENT * 2}{whole},") > WIDTH:
        inner = f"{INDENT * 3}{literal(message, 3 * len(INDENT))},"
        whole = f"json.dumps(\n{inner}\n{INDENT * 2})"
    yield from _invocation(function, [whole])


def _expect(expect: Expect) -> Iterator[str]:
    start = f"{expect.keep_as} = await {expect.socket}"
    name = _quoted(expect.name)
    if expect.wanted:
        wanted = literal(expect.wanted, 2 * len(INDENT))
        yield from _invocation(f"{start}.expect", [name, wanted])
    else:
        yield from _invocation(f"{start}.receive", [f"name={name}"])
    yield from _check(expect.keep_as, f"{expect.name}: came", "ok")


def _think(think_s: float) -> Iterator[str]:
    if think_s:
        yield f"{INDENT}await user.think({think_s:g})"


def _check(variable: str, told: str, passed: str) -> Iterator[str]:
    yield from _invocation(
        "check", [variable, literal(_prose(told), 2 * len(INDENT)), f"{variable}.{passed}"]
    )


def _call(call: Call) -> Iterator[str]:
    yield from _think(call.think_s)
    if call.comment:
        yield f"{INDENT}# {_prose(call.comment)}"
    arguments = [literal(call.path, 2 * len(INDENT)), *_options(call)]
    method = call.method
    if method in BODILESS and (call.json is not None or call.form or call.body):
        method = "request"
        arguments.insert(0, _quoted(call.method.upper()))
    yield from _invocation(f"{call.keep_as} = await user.http.{method}", arguments)
    passed = f"status == {call.status}" if call.status else "ok"
    yield from _check(call.keep_as, call.check, passed)


def _options(call: Call) -> Iterator[str]:
    for name, value in call.values.items():
        yield _named(name, value)
    yield from _mappings(("query", call.query), ("headers", call.headers))
    if call.auth is not None:
        yield _named("auth", call.auth)
    if call.json is not None:
        yield _named("json", call.json)
    if call.form:
        yield _named("form", dict(call.form))
    if call.body:
        yield (
            f"body={_quoted(call.body, prefix='b')}"
            if call.body.isascii()
            else (f"body={_quoted(call.body)}.encode()")
        )


def _mappings(*named: tuple[str, Mapping[str, Value]]) -> Iterator[str]:
    yield from (_named(name, dict(mapping)) for name, mapping in named if mapping)


def _named(name: str, value: Value) -> str:
    return f"{name}={literal(value, 2 * len(INDENT), lead=len(name) + 1, tail=1)}"


def _invocation(function: str, arguments: Sequence[str]) -> Iterator[str]:
    """Write a call within a function's body: on one line where it fits, else one argument each."""
    line = f"{INDENT}{function}({', '.join(arguments)})"
    if "\n" not in line and len(line) <= WIDTH:
        yield line
        return
    yield f"{INDENT}{function}("
    for argument in arguments:
        yield f"{INDENT * 2}{argument},"
    yield f"{INDENT})"


def literal(value: Value, indent: int, *, lead: int = 0, tail: int = 1) -> str:
    """Write a value as Python.

    Args:
        value: what to write.
        indent: columns before the line that it begins on.
        lead: columns of that line before the value.
        tail: columns of its last line behind it.
    """
    flat = _flat(value)
    if indent + lead + len(flat) + tail <= WIDTH or not isinstance(value, list | dict) or not value:
        return flat
    inner = indent + len(INDENT)
    pad = " " * inner
    if isinstance(value, list):
        rows = [f"{pad}{literal(one, inner)}," for one in value]
        return "\n".join(["[", *rows, " " * indent + "]"])
    rows = [
        f"{pad}{_quoted(key)}: {literal(one, inner, lead=len(_quoted(key)) + 2)},"
        for key, one in value.items()
    ]
    return "\n".join(["{", *rows, " " * indent + "}"])


def _flat(value: Value) -> str:
    if isinstance(value, Code):
        return value.text
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_flat, value))}]"
    if isinstance(value, dict):
        return _flat_mapping(value)
    return repr(value)


def _flat_mapping(value: Mapping[str, Value]) -> str:
    return "{" + ", ".join(f"{_quoted(key)}: {_flat(one)}" for key, one in value.items()) + "}"


def _quoted(text: str, *, prefix: str = "") -> str:
    """Write a string as a formatter does: in double quotes, unless single ones spare escapes."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    escaped = text.replace("\\", "\\\\").replace(quote, f"\\{quote}")
    return f"{prefix}{quote}{_PRINTABLE.sub(_escape, escaped)}{quote}"


def _escape(match: re.Match[str]) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    code = ord(match.group())
    if match.group() in named:
        return named[match.group()]
    return (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else (f"\\U{code:08x}")
    )
