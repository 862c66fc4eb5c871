from django.urls import path

from accounts.access import accepts_token
from uploads.views import OneUpload, Uploads

urlpatterns = [
    path("", accepts_token(Uploads.as_view()), name="uploads"),
    path("<uuid:pk>/", accepts_token(OneUpload.as_view()), name="upload"),
]
