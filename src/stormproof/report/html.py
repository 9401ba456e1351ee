"""The report as one HTML file that needs no network, for people.

Everything that came from the target is hostile: expressions are escaped (autoescape), characters
that steer a display are spelt out (`finalize`), data for the script is JSON without `<`, and the
policy in the page allows exactly our own script and style, by their digests.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from stormproof.model.record import Record
from stormproof.model.verdict import Verdict
from stormproof.report.number import clock, counted, figure, percent, quantity
from stormproof.report.page import page_of
from stormproof.report.printable import breakable, printable
from stormproof.report.timeline import Timeline

TEMPLATES = "templates"
_HTML_SPECIAL = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


def render_html(verdict: Verdict, record: Record) -> bytes:
    """Render a verdict over its record as one self-contained HTML file in UTF-8.

    A record that is truncated or empty renders too; what is missing is said.
    """
    page = page_of(verdict, record)
    environment = _environment()
    style = environment.get_template("style.css.j2").render()
    script = resources.files(__package__).joinpath(TEMPLATES, "timeline.js").read_text("utf-8")
    text = environment.get_template("report.html.j2").render(
        page=page,
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        policy=_policy(style, script),
        data=_script_json(_timeline_data(page.timeline)),
    )
    return text.encode("utf-8", "backslashreplace")


def offline_page(template: str, **values: object) -> bytes:
    """Render a page without a script that needs no network, such as a certificate."""
    environment = _environment()
    style = environment.get_template("style.css.j2").render()
    text = environment.get_template(template).render(
        style=Markup(style),  # noqa: S704 - our own file
        policy=_policy(style, ""),
        **values,
    )
    return text.encode("utf-8", "backslashreplace")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("stormproof.report", TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters.update(
        clock=clock,
        figure=figure,
        percent_text=percent,
        quantity=quantity,
        counted=counted,
        breakable=breakable,
    )
    return environment


def _finalize(value: object) -> object:
    """Spell out what steers a display in every expression that is not markup of our own."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable(value, layout=True)
    return value


def _policy(style: str, script: str) -> str:
    """Return the Content-Security-Policy: nothing from anywhere, and only our own two texts."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_source(script)}",
            f"style-src {_source(style)}",
            "style-src-attr 'unsafe-inline'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _script_json(value: object) -> Markup:
    """Return JSON that may stand inside a script element."""
    text = msgspec.json.encode(value).decode()
    for character, escape in _HTML_SPECIAL.items():
        text = text.replace(character, escape)
    return Markup(text)  # noqa: S704 - no `<` is left


class _LineData(msgspec.Struct, frozen=True, kw_only=True):
    """The extremes of each bucket; `high` is left out where it equals `low` throughout."""

    low: list[float | None]
    high: list[float | None] | None


class _TimelineData(msgspec.Struct, frozen=True, kw_only=True):
    """What the script needs to say values and to zoom."""

    from_s: int
    to_s: int
    step_s: int
    panels: dict[str, list[_LineData]]
    strips: list[list[tuple[float, str]]]


def _timeline_data(timeline: Timeline) -> _TimelineData:
    return _TimelineData(
        from_s=timeline.from_s,
        to_s=timeline.to_s,
        step_s=timeline.step_s,
        panels={
            panel.key: [
                _LineData(
                    low=[None if one is None else _short(one.low) for one in stroke.buckets],
                    high=None
                    if timeline.step_s == 1
                    else [None if one is None else _short(one.high) for one in stroke.buckets],
                )
                for stroke in panel.strokes
            ]
            for panel in (*timeline.panels, *timeline.target, *timeline.generator)
        },
        strips=[
            [(round(one.from_s, 2), one.state) for one in strip.stretches]
            for strip in timeline.strips
        ],
    )


def _short(value: float) -> float | None:
    """Return a value with four significant digits; infinity becomes null in JSON."""
    return float(f"{value:.4g}") if value != float("inf") else None
