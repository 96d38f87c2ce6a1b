"""A small API behind a bearer secret, to try the fuzzing client on: /right keeps its promises, /wrong breaks one."""

import http.server
import json
import os

SECRET = os.environ["SECRET"]

ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}


def operation(path):
    def answer(description, schema):
        return {"description": description, "content": {"application/json": {"schema": schema}}}

    counted = {"type": "object", "required": ["count"], "properties": {"count": {"type": "integer"}}}
    limit = {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100}}
    responses = {
        "200": answer("counted", counted),
        "400": answer("not a limit", ERROR),
        "401": answer("not authorised", ERROR),
    }
    return {path: {"get": {"parameters": [limit], "security": [{"secret": []}], "responses": responses}}}


def document(*paths):
    return {
        "openapi": "3.1.0",
        "info": {"title": "counts", "version": "1"},
        "components": {"securitySchemes": {"secret": {"type": "http", "scheme": "bearer"}}},
        "paths": {path: item for each in paths for path, item in operation(each).items()},
    }


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body, **headers):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def do_GET(self):
        path, _, query = self.path.partition("?")
        documents = {"/right.json": document("/right"), "/both.json": document("/right", "/wrong")}
        if path in documents:
            self.answer(200, documents[path])
        elif path not in ("/right", "/wrong"):
            self.answer(404, {"error": "not found"})
        elif self.headers.get("Authorization") != f"Bearer {SECRET}":
            self.answer(401, {"error": "not authorised"}, WWW_Authenticate="Bearer")
        elif not all(is_limit(part) for part in query.split("&") if part):
            self.answer(400, {"error": "limit is a number from 1 to 100"})
        else:
            self.answer(200, {"count": 42 if path == "/right" else "forty-two"})

    def refuse(self):
        self.close_connection = True
        self.answer(405, {"error": "GET only"}, Allow="GET")

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = do_QUERY = refuse

    def log_message(self, *_):
        pass


def is_limit(part):
    name, _, value = part.partition("=")
    if name != "limit":
        return True
    digits = value.isascii() and value.isdigit() and not value.startswith("0")
    return digits and len(value) <= 3 and int(value) <= 100


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"listening on http://127.0.0.1:{server.server_address[1]}", flush=True)
server.serve_forever()
