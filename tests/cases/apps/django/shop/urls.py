"""One page, which says which version it is."""

import os

from django.http import HttpResponse
from django.urls import path


def index(request):
    return HttpResponse(f"django one, port {os.environ['PORT']}\n")


urlpatterns = [path("", index)]
