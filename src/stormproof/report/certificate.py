"""The certificate of a program for people: a text for a terminal, one HTML page for everybody."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from stormproof.model.objective import Status
from stormproof.model.program import Certificate, CoverageAnswer, TrialAnswer
from stormproof.report.html import offline_page
from stormproof.report.layout import WIDTH_MIN, Sheet
from stormproof.report.number import counted, percent

NOT_JUDGED_SHOWN = 5


def certificate_text(
    certificate: Certificate, *, folder: str, width: int, colour: bool, unicode: bool
) -> str:
    """Render a certificate as text; arguments as in `report.text.render_text`."""
    sheet = Sheet(width=max(width, WIDTH_MIN), colour=colour, unicode=unicode)
    lead = f"{sheet.mark(certificate.verdict)} {certificate.verdict.upper()}"
    styles = ("bold", certificate.verdict.value)
    sheet.write(certificate.headline, lead=lead, indent=0, hang=2, styles=styles)
    scale = f" (scale {certificate.scale:g})" if certificate.scale != 1 else ""
    facts = f"program {certificate.program} · scope {certificate.scope}{scale}"
    sheet.write(facts, indent=2, hang=2, styles=("dim",))
    sheet.heading(f"Trials ({len(certificate.trials)})")
    for answer in certificate.trials:
        _write_trial(sheet, answer)
    if certificate.coverage is not None:
        _write_coverage(sheet, certificate.coverage)
    if certificate.left_out:
        sheet.heading("Not asked for")
        sheet.write(", ".join(certificate.left_out))
    sheet.heading("Evidence")
    for name, path in (("page", "certificate.html"), ("certificate", "certificate.json")):
        sheet.verbatim(f"{name:<12}{folder}/{path}")
    sheet.verbatim(f"{'recheck':<12}stormproof judge {folder}")
    return sheet.text()


def _write_trial(sheet: Sheet, answer: TrialAnswer) -> None:
    word = f"{sheet.mark(answer.status)} {answer.status.upper()}"
    excused = " (may fail)" if answer.excused else ""
    sheet.write(
        f"{answer.id} {answer.trial}{excused}: {_met(answer)}",
        lead=word,
        styles=(answer.status.value,),
    )
    if answer.status is not Status.PASS:
        sheet.write(answer.why or answer.headline, indent=9)
    if answer.not_judged:
        shown = ", ".join(answer.not_judged[:NOT_JUDGED_SHOWN])
        rest = len(answer.not_judged) - NOT_JUDGED_SHOWN
        more = f" and {rest} more" if rest > 0 else ""
        sheet.write(f"not judged at this scale: {shown}{more}", indent=9, styles=("dim",))
    if answer.folder:
        sheet.write(answer.folder, indent=9, styles=("dim",))


def _met(answer: TrialAnswer) -> str:
    if not answer.run:
        return "not judged"
    return f"{answer.met} of {counted(answer.objectives, 'objective')} met"


def _write_coverage(sheet: Sheet, coverage: CoverageAnswer) -> None:
    lead = f"{sheet.mark(coverage.status)} {coverage.status.upper()}"
    told = f"coverage: {percent(coverage.value)} of the lines, bar >= {percent(coverage.bar)}"
    sheet.write(told, lead=lead, styles=(coverage.status.value,))
    if coverage.why:
        sheet.write(coverage.why, indent=9)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Card:
    """One trial on the page, with its own report to go to."""

    answer: TrialAnswer
    met: str
    said: str
    page: str  # of its report, from the certificate's; empty: there is none


def certificate_html(certificate: Certificate) -> bytes:
    """Render a certificate as one HTML page that links to each trial's own report."""
    cards = [
        _Card(
            answer=answer,
            met=_met(answer),
            said=answer.why or answer.headline,
            page=f"{answer.folder}/report.html" if answer.folder else "",
        )
        for answer in certificate.trials
    ]
    passed = sum(answer.status is Status.PASS for answer in certificate.trials)
    return offline_page(
        "certificate.html.j2",
        certificate=certificate,
        cards=cards,
        passed=passed,
        script=Markup(""),
    )
