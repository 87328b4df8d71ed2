"""The WSGI program of gunicorn and uWSGI."""
import os


def application(environ, start_response):
    asked = dict(pair.partition("=")[::2] for pair in environ.get("QUERY_STRING", "").split("&"))
    start_response("200 OK", [
        ("Content-Type", "text/plain"),
        ("Content-Length", "14"),
        ("X-Id", asked.get("id", "0")),
        ("X-Pid", str(os.getpid())),
    ])
    return [b"Hello, world!\n"]
