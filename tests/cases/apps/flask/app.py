"""Says how often it was asked for, and which version it is."""

import os

from flask import Flask

app = Flask(__name__)


@app.get("/")
def index():
    return f"flask one, port {os.environ['PORT']}\n"
