"""The verdict for a terminal: the answer first, then why, then where the evidence is."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from stormproof.model.finding import Finding
from stormproof.model.objective import Status
from stormproof.model.verdict import Generator, Judged, Verdict
from stormproof.report.layout import WIDTH_MIN, Sheet, cells
from stormproof.report.margin import margin_text
from stormproof.report.number import counted, percent, quantity
from stormproof.report.recovery import instant_rows
from stormproof.report.standing import finding_status, ordered
from stormproof.report.wording import bar_text, value_text, where_text

WITNESSES_SHOWN = 3
_HANG = 9  # below the name that follows "  + PASS "
PROBLEMS_SHOWN = 10
SPANS_SHOWN = 5
_FILES = (("report", "report.html"), ("verdict", "verdict.json"), ("junit", "junit.xml"))


def render_text(
    verdict: Verdict,
    *,
    run_dir: str,
    width: int,
    colour: bool,
    unicode: bool = False,
    recheck: str = "stormproof judge",
) -> str:
    """Render a verdict as text.

    Args:
        verdict: what was decided.
        run_dir: where the record lies, as the reader would type it.
        width: columns of the terminal; below 40 it is taken as 40.
        colour: use ANSI colours; they repeat what words say.
        unicode: use signs beyond ASCII; without it the text is pure ASCII.
        recheck: the command that comes to the same verdict, before `run_dir`.
    """
    sheet = Sheet(width=max(width, WIDTH_MIN), colour=colour, unicode=unicode)
    _write_headline(sheet, verdict)
    _write_objectives(sheet, verdict)
    _write_findings(sheet, verdict.findings)
    _write_recovery(sheet, verdict)
    _write_reach(sheet, verdict)
    _write_hypotheses(sheet, verdict)
    _write_generator(sheet, verdict.generator)
    _write_rest(sheet, verdict)
    _write_paths(sheet, run_dir, recheck)
    return sheet.text()


def _write_headline(sheet: Sheet, verdict: Verdict) -> None:
    lead = f"{sheet.mark(verdict.verdict)} {verdict.verdict.upper()}"
    styles = ("bold", verdict.verdict.value)
    sheet.write(verdict.headline_tail, lead=lead, indent=0, hang=2, styles=styles)
    scope = f"scope {verdict.scope}" + (f" (scale {verdict.scale:g})" if verdict.scale != 1 else "")
    parts = [
        scope,
        f"run {verdict.run}",
        f"profile {verdict.profile}",
        f"seed {verdict.seed}",
        f"plan {verdict.plan_sha256[:12]}",
    ]
    sheet.write(" · ".join(parts), indent=2, hang=2, styles=("dim",))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """The cells of one objective, cleaned for the sheet."""

    judged: Judged
    lead: str
    name: str
    facts: tuple[str, str, str, str]  # value, bar, margin, evidence

    @property
    def facts_text(self) -> str:
        value, bar, margin, evidence = self.facts
        met = self.judged.value == self.judged.bar
        return ", ".join(filter(None, (value, "" if met else bar, margin, evidence)))


def _line_of(sheet: Sheet, judged: Judged) -> _Line:
    evidence = judged.evidence
    return _Line(
        judged=judged,
        lead=f"{sheet.mark(judged.status)} {judged.status.upper()}",
        name=sheet.clean(judged.name + ("" if judged.blocking else " (not blocking)")),
        facts=(
            sheet.clean(value_text(judged)),
            sheet.clean(f"bar {bar_text(judged)}"),
            sheet.clean(margin_text(judged)),
            sheet.clean(f"{counted(evidence.samples, 'sample')} ({evidence.window})"),
        ),
    )


def _write_objectives(sheet: Sheet, verdict: Verdict) -> None:
    sheet.heading(f"Objectives ({len(verdict.objectives)})")
    if not verdict.objectives:
        sheet.write("none was judged")
        return
    lines = [_line_of(sheet, judged) for judged in ordered(verdict.objectives)]
    columns = zip(*((line.lead, line.name, *line.facts) for line in lines), strict=True)
    widths = [max(map(cells, column)) for column in columns]
    in_columns = sum(widths) + 2 * len(widths) <= sheet.width
    for line in lines:
        if in_columns:
            _write_columns(sheet, line, widths)
        else:
            _write_flowing(sheet, line)
        _write_reason(sheet, line.judged)


def _write_columns(sheet: Sheet, line: _Line, widths: Sequence[int]) -> None:
    row = (line.lead, line.name, *line.facts)
    padded = [text + " " * (width - cells(text)) for text, width in zip(row, widths, strict=True)]
    head = sheet.paint(padded[0], "bold", line.judged.status.value)
    sheet.lines.append(("  " + "  ".join([head, *padded[1:]])).rstrip())


def _write_flowing(sheet: Sheet, line: _Line) -> None:
    """Write name and facts on one line where they fit, else the facts below."""
    styles = ("bold", line.judged.status.value)
    used = 2 + cells(line.lead) + 1 + cells(line.name)
    gap = sheet.width - used - cells(line.facts_text)
    if gap >= 2:
        head = f"  {sheet.paint(line.lead, *styles)} {line.name}"
        sheet.lines.append(head + " " * gap + line.facts_text)
        return
    sheet.write(line.name, lead=line.lead, hang=_HANG, styles=styles)
    sheet.write(line.facts_text, indent=_HANG, hang=_HANG)


def _write_reason(sheet: Sheet, judged: Judged) -> None:
    """Say why an objective is not PASS, what to do, and which seconds to look at."""
    if judged.status is Status.PASS:
        return
    spans = where_text(judged)
    for lead, text in (("why:", judged.why), ("do:", judged.remedy), ("look at:", spans)):
        if text:
            sheet.write(text, lead=lead, indent=_HANG, styles=("bold",))


def _write_findings(sheet: Sheet, findings: Sequence[Finding]) -> None:
    if not findings:
        return
    sheet.heading(f"Findings ({len(findings)})")
    for finding in findings:
        sheet.write(
            finding.title,
            lead=f"! {finding.kind} ({finding.count:,}):",
            hang=4,
            styles=("bold", finding_status(finding).value),
        )
        for witness in finding.witnesses[:WITNESSES_SHOWN]:
            key = f" [key {witness.key}]" if witness.key else ""
            sheet.write(witness.what + key, lead="-", indent=4)
        more = finding.count - min(WITNESSES_SHOWN, len(finding.witnesses))
        if more > 0 and finding.witnesses:
            sheet.write(f"and {more:,} more; see report.html", indent=6, styles=("dim",))
        if finding.advice:
            sheet.write(finding.advice, lead="do:", indent=4, styles=("bold",))


def _write_recovery(sheet: Sheet, verdict: Verdict) -> None:
    if not verdict.recovery:
        return
    sheet.heading("Recovery")
    for recovery in verdict.recovery:
        sheet.write(recovery.fault, styles=("bold",))
        rows = instant_rows(recovery)
        name_width = max((cells(sheet.clean(row.name)) for row in rows), default=0)
        at_width = max((len(row.at) for row in rows), default=0)
        for row in rows:
            name = sheet.clean(row.name)
            lead = f"{name}{' ' * (name_width - cells(name))}  {row.at:>{at_width}}"
            sampling = row.sampling if row.at_s is not None else ""
            sheet.write(f"{row.since} {sampling}".strip(), lead=lead, indent=4)


_REACHED = {
    "blast_requests": "of operations failed while faults were in force or recovered from",
    "blast_users": "of users had a failed operation in that time",
    "blast_tenants": "of channels and conversations had something refused, or unknown",
}


def _write_reach(sheet: Sheet, verdict: Verdict) -> None:
    """Say how far the faults reached, and what that cost of each budget."""
    if not verdict.reach:
        return
    sheet.heading("Reach")
    for metric, share in verdict.reach.items():
        what = _REACHED.get(metric, f"of what may fail did ({metric})")
        sheet.write(f"{percent(share)} {what}")


def _write_hypotheses(sheet: Sheet, verdict: Verdict) -> None:
    """Say of each hypothesis whether it held all the while, and if not, when it did not."""
    if not verdict.hypotheses:
        return
    sheet.heading("Hypotheses")
    for one in verdict.hypotheses:
        held = f"broken for {one.broken_s} s" if one.broken_s else "held"
        unknown = f", unknown for {one.unknown_s} s" if one.unknown_s else ""
        sheet.write(f"{one.asked}: {held}{unknown}", lead=one.name, styles=("bold",))
        for span in one.spans[:SPANS_SHOWN]:
            around = ", ".join(span.faults) or "no fault was in force"
            sheet.write(f"{span.from_s} to {span.to_s} s ({around})", indent=4)
        if len(one.spans) > SPANS_SHOWN:
            sheet.write(f"and {len(one.spans) - SPANS_SHOWN} more spans", indent=4)


def _write_generator(sheet: Sheet, generator: Generator) -> None:
    sheet.heading("Load generator")
    state = "kept its schedule" if generator.valid else "cannot be trusted"
    status = Status.PASS if generator.valid else Status.INCONCLUSIVE
    facts = [
        counted(generator.workers, "worker"),
        counted(generator.operations, "operation"),
        f"{generator.dropped:,} dropped",
        f"schedule lag p99 {quantity(generator.schedule_lag_p99_ms, 'ms')}",
        f"CPU {percent(generator.cpu_share)} of its cores",
        f"waited for a CPU {percent(generator.wait_share)}",
    ]
    lead = f"{sheet.mark(status)} {state}:"
    sheet.write(", ".join(facts), lead=lead, hang=4, styles=("bold", status.value))
    if generator.why:
        sheet.write(generator.why, lead="why:", indent=4, styles=("bold",))


def _write_rest(sheet: Sheet, verdict: Verdict) -> None:
    if verdict.not_judged:
        sheet.heading("Not judged" + (" at this scale" if verdict.scale < 1 else ""))
        for one in verdict.not_judged:
            sheet.write(f"{one.objective}: {one.why}", lead="-")
    _write_list(sheet, "Problems of the record", verdict.problems)
    _write_list(sheet, "Warnings of the run", verdict.warnings)


def _write_list(sheet: Sheet, heading: str, texts: Sequence[str]) -> None:
    if not texts:
        return
    sheet.heading(heading)
    for text in texts[:PROBLEMS_SHOWN]:
        sheet.write(text, lead="-")
    more = len(texts) - PROBLEMS_SHOWN
    if more > 0:
        sheet.write(f"and {more:,} more; see verdict.json", indent=4, styles=("dim",))


def _write_paths(sheet: Sheet, run_dir: str, recheck: str) -> None:
    folder = run_dir.rstrip("/") or run_dir
    sheet.heading("Where to look")
    for label, path in _FILES:
        sheet.verbatim(f"{label:<8}{folder}/{path}")
    sheet.verbatim(f"{'recheck':<8}{recheck} {shlex.quote(folder)}")
