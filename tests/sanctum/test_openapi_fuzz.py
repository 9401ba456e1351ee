"""What the OpenAPI document promises, tried out on a served Sanctum by schemathesis."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from tests.sanctum.conftest import Serve
from tests.sanctum.servers import LOOPBACK, Postgres

from sanctum.auth.issuing import issue_key

ADMIN = "user-0001"  # may do what any role may
# Random requests of each kind to each route, beside those at the bounds; a long search takes 100.
EXAMPLES = os.environ.get("OPENAPI_EXAMPLES", "4")
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "ignored_auth",
)


async def test_routes_keep_what_the_document_promises(
    serve: Serve, postgres: Postgres, database: str, tmp_path: Path
) -> None:
    """Whatever is sent, each route answers with a status, a form and headers that it documents."""
    api = await serve()
    key = await asyncio.to_thread(issue_key, postgres.url(database), ADMIN, 1)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run"),
        f"http://{LOOPBACK}:{api.port}/openapi.json",
        *("--header", f"X-API-Key: {key}", "--generation-with-security-parameters", "false"),
        *("--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing"),
        *("--max-examples", EXAMPLES, "--seed", "1", "--generation-database", "none"),
    ]
    done = await asyncio.to_thread(
        subprocess.run, command, check=False, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    assert "401 Unauthorized" not in done.stdout, done.stdout
