"""The OpenAPI document of /api/v1, made of the table of routes, so that it cannot lack one."""

import re
from collections.abc import Sequence
from typing import Any

from bluewhale_webui.routing import Route

PART = re.compile(r"<(\w+)>")
ERROR = {
    "description": "Why not",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """Version 3.1."""
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(PART.sub(r"{\1}", route.path), {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Bluewhale",
            "version": "1",
            "description": "What the pages show, as JSON. Money is in millionths of its currency, times are "
            "microseconds since 1970 UTC. What is not known is absent.",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "bw"},
            },
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["error"],
                    "properties": {"error": {"type": "string"}},
                },
                "List": {
                    "type": "object",
                    "required": ["items", "next"],
                    "properties": {
                        "items": {"type": "array", "items": {"type": "object"}},
                        "next": {
                            "type": ["string", "null"],
                            "description": "the `before` of the page after this",
                        },
                    },
                },
            },
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/List"} if route.answer == "list" else {"type": "object"}
    parts = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in PART.findall(route.path)
    ]
    queries = [
        {"name": name, "in": "query", "required": False, "description": told, "schema": {"type": "string"}}
        for name, told in route.parameters
    ]
    return {
        "summary": route.summary,
        "description": f"For the roles {', '.join(sorted(route.may))}.",
        "parameters": parts + queries,
        "responses": {
            "200": {"description": "The answer", "content": {"application/json": {"schema": schema}}},
            **{str(code): ERROR for code in (400, 401, 403, 404)},
        },
    }
