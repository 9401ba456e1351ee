"""Commerce: courses, the seats in them, payments, and the live sessions of who is enrolled.

How a payment travels: it is stored as pending, under its payer's idempotency key and together with
the seat that it pays for; the charging provider is asked, under a reference that follows from the
payment; and what the provider answered closes the payment, in one transaction with the ledger's
entry (or with the seat given back). Each step may be done again without effect: a key makes one
payment, a reference one charge, and only a pending payment is closed. So whatever is retried, sent
twice at once or cut short, a card is charged once; a payment whose process died between the steps
is closed by the settlement, by what the provider knows of it.

A seat is taken before anybody is charged, so nobody pays for one that is not there.
"""
