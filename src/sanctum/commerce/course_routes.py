"""Routes for courses and enrolments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request, Response

from sanctum.commerce.courses import ID_MAX, Course, CourseStorage, Draft, Wish
from sanctum.commerce.enrolments import Enrolment, Enrolments
from sanctum.commerce.metrics import CommerceMetrics
from sanctum.gateway.answers import Refusal, check_storable, json_response, read_body
from sanctum.gateway.contract import contract
from sanctum.gateway.identity import Gate, Role
from sanctum.gateway.parameters import Text, WholeNumber

PRICE_CENTS_MAX = 1_000_000
SEATS_MAX = 100_000
COURSE_ID = WholeNumber("course_id", 0, ID_MAX)
LIMIT = WholeNumber("limit", 1, 100, default=20)
BEFORE = WholeNumber("before", 1, ID_MAX, default=ID_MAX)
WORDS = Text("q", 100)
PRICE_MIN = WholeNumber("price_min", 0, PRICE_CENTS_MAX, default=0)
PRICE_MAX = WholeNumber("price_max", 0, PRICE_CENTS_MAX, default=PRICE_CENTS_MAX)


class NewCourse(msgspec.Struct, frozen=True):
    """Ask for a course to be drafted; a price of 0 makes it free."""

    title: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    price_cents: Annotated[int, msgspec.Meta(ge=0, le=PRICE_CENTS_MAX)]
    seats: Annotated[int, msgspec.Meta(ge=1, le=SEATS_MAX)]
    description: Annotated[str, msgspec.Meta(max_length=4000)] = ""


class CoursePage(msgspec.Struct, frozen=True):
    """Hold one page of courses, and where the next one begins."""

    courses: Sequence[Course]
    next: int | None


class EnrolmentPage(msgspec.Struct, frozen=True):
    """Hold one page of enrolments, and where the next one begins."""

    enrolments: Sequence[Enrolment]
    next: int | None


_new_course = msgspec.json.Decoder(NewCourse)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Find the courses that a user may see."""

    courses: CourseStorage
    metrics: CommerceMetrics

    async def seen_by(self, user: int, course_id: int) -> Course:
        """Find a course; raises Refusal 404, also for a draft of somebody else."""
        course = await self.courses.find(course_id)
        if course is None or (course.state == "draft" and course.instructor != user):
            raise Refusal(404, "not_found", f"there is no course {course_id}")
        return course

    async def taught_by(self, user: int, course_id: int) -> Course:
        """Find a course of a user's own; raises Refusal 403, 404."""
        course = await self.seen_by(user, course_id)
        if course.instructor != user:
            raise self.metrics.denial(
                "course", "not_the_instructor", "only its instructor does that to a course"
            )
        return course


def build_router(catalogue: Catalogue, enrolments: Enrolments, gate: Gate) -> APIRouter:
    """Build the routes over the courses and the enrolments."""
    router = APIRouter(prefix="/v1")
    _add_courses(router, catalogue, gate)
    _add_enrolments(router, enrolments, gate)
    return router


def _add_courses(router: APIRouter, catalogue: Catalogue, gate: Gate) -> None:
    @router.post("/courses", openapi_extra=contract({201: Course}, body=NewCourse, refuses=[403]))
    async def create_course(request: Request) -> Response:
        user = await gate.require(request, Role.INSTRUCTOR)
        body = await read_body(request, _new_course)
        draft = Draft(
            title=check_storable(body.title, "title"),
            description=check_storable(body.description, "description"),
            price_cents=body.price_cents,
            seats=body.seats,
        )
        course = await catalogue.courses.create(user.user_id, draft)
        if course is None:
            raise Refusal(401, "invalid_token", "the account does not exist any more")
        return json_response(course, 201)

    @router.get(
        "/courses",
        openapi_extra=contract({200: CoursePage}, LIMIT, BEFORE, WORDS, PRICE_MIN, PRICE_MAX),
    )
    async def discover_courses(request: Request) -> Response:
        await gate.identify(request)
        limit, before = LIMIT.read(request), BEFORE.read(request)
        found = await catalogue.courses.discover(_wish(request), before, limit + 1)
        page = found[:limit]
        return json_response(CoursePage(page, page[-1].id if len(found) > limit else None))

    @router.get(
        "/courses/{course_id}", openapi_extra=contract({200: Course}, COURSE_ID, refuses=[404])
    )
    async def read_course(request: Request) -> Response:
        user = await gate.identify(request)
        return json_response(await catalogue.seen_by(user.user_id, COURSE_ID.read(request)))

    @router.post(
        "/courses/{course_id}/publish",
        openapi_extra=contract({200: Course}, COURSE_ID, refuses=[403, 404]),
    )
    async def publish_course(request: Request) -> Response:
        user = await gate.require(request, Role.INSTRUCTOR)
        course = await catalogue.taught_by(user.user_id, COURSE_ID.read(request))
        await catalogue.courses.publish(course.id)
        return json_response(msgspec.structs.replace(course, state="published"))


def _add_enrolments(router: APIRouter, enrolments: Enrolments, gate: Gate) -> None:
    @router.post(
        "/courses/{course_id}/enrolments",
        openapi_extra=contract(
            {200: Enrolment, 201: Enrolment}, COURSE_ID, refuses=[402, 404, 409]
        ),
    )
    async def enrol(request: Request) -> Response:
        user = await gate.identify(request)
        enrolled = await enrolments.enrol(COURSE_ID.read(request), user.user_id)
        return json_response(enrolled.enrolment, 201 if enrolled.new else 200)

    @router.get("/enrolments", openapi_extra=contract({200: EnrolmentPage}, LIMIT, BEFORE))
    async def list_enrolments(request: Request) -> Response:
        user = await gate.identify(request)
        limit, before = LIMIT.read(request), BEFORE.read(request)
        found = await enrolments.of_user(user.user_id, before, limit + 1)
        page = found[:limit]
        following = page[-1].course if len(found) > limit else None
        return json_response(EnrolmentPage(page, following))


def _wish(request: Request) -> Wish:
    return Wish(
        words=WORDS.read(request).strip(),
        price_min=PRICE_MIN.read(request),
        price_max=PRICE_MAX.read(request),
    )
