"""A person shops: signs in, looks around, fills a basket, pays, and leaves nothing behind.

    cd examples/shop
    export SHOP_ADMIN_KEY=... SHOPPERS_PASSWORD=...
    stormproof run shop.py --profile ./shop.json --target http://127.0.0.1:8000

What stands at the top is what the plan must know before anything runs: secrets by name, feeds with
their columns, who signs in where. The set-up and the teardown run once in the run, `arrive` once a
user, `shop` again and again.
"""

from __future__ import annotations

from typing import Any

from stormproof import (
    Feed,
    PasswordLogin,
    Trend,
    User,
    api_key,
    between,
    check,
    journey,
    lognormal,
    secret,
    setup,
    teardown,
)

ADMIN = api_key("X-API-Key", secret("SHOP_ADMIN_KEY"))
PEOPLE = Feed.csv("people.csv", order="circular", columns=("name", "plan"))
PRODUCTS = Feed.jsonl("products.jsonl", order="random", columns=("id", "price"))
VOUCHERS = Feed.of(({"code": f"SPRING-{number:05d}"} for number in range(50_000)), order="unique")
LOGIN = PasswordLogin(
    "/api/login",
    name=lambda user: str(user.state.person["name"]),
    password=secret("SHOPPERS_PASSWORD"),
)
PAID = Trend("basket_value", unit="EUR", doc="What a customer pays.")
LOOKED_AT = 3  # products before a basket is filled
VOUCHER_SHARE = 0.2


@setup
async def open_season(user: User) -> dict[str, Any]:
    """Open a season to sell in; every user gets its number."""
    season = await user.http.post("/api/seasons", json={"title": user.fake.words()}, auth=ADMIN)
    if not check(season, "season opened", season.status == 201):
        user.fail(f"no season: {season.status} {season.error}")
    return {"season": season.json()["id"]}


@teardown
async def close_season(user: User) -> None:
    """Close it again."""
    await user.http.delete("/api/seasons/{id}", id=user.data["season"], auth=ADMIN)


async def arrive(user: User) -> None:
    """Become one of the people, for good, and sign in."""
    user.state.person = PEOPLE.next(user)
    user.tag("plan", user.state.person["plan"])
    await LOGIN.token(user)


@journey(prepare=arrive, tags=("plan",))
async def shop(user: User) -> None:
    """Look around, then buy what was looked at last."""
    with user.group("browse"):
        product, price = await look_around(user)
    await user.think(between(0.02, 0.06))
    with user.group("checkout"):
        if await check_out(user, product):
            PAID.add(user, price)


async def look_around(user: User) -> tuple[int, float]:
    """Look at some products; return the last one's id and price."""
    product, price = 0, 0.0
    for row in PRODUCTS.take(user, LOOKED_AT):
        product, price = row["id"], row["price"]
        page = await user.http.get("/api/products/{id}", id=product)
        if check(page, "product shown", page.status == 200):
            check(page, "price is right", page.json()["price"] == price)
        await user.think(lognormal(0.02))
    return product, price


async def check_out(user: User, product: int) -> bool:
    """Fill a basket and pay for it; a basket that is not paid is thrown away at the end.

    Return whether it was paid.
    """
    basket = await LOGIN.send(
        user,
        lambda token: user.http.post(
            "/api/baskets",
            json={"season": user.data["season"], "product": product},
            auth=token,
            expected=(401,),  # tokens expire, and LOGIN takes another
        ),
    )
    if not check(basket, "basket made", basket.status == 201):
        return False
    number = basket.json()["id"]
    unpaid = user.cleanup(
        lambda: user.http.delete("/api/baskets/{id}", id=number, auth=ADMIN, expected=(404,))
    )
    order = {"address": user.fake.address(), "mail": user.fake.email()}
    if user.fake.boolean(VOUCHER_SHARE):
        order["voucher"] = VOUCHERS.next(user)["code"]
    with user.group("payment"):
        paid = await LOGIN.send(
            user,
            lambda token: user.http.post(
                "/api/baskets/{id}/payment", id=number, json=order, auth=token, expected=(401,)
            ),
        )
    if not check(paid, "basket paid", paid.status == 201):
        return False
    unpaid.forget()
    return True
