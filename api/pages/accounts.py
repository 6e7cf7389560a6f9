"""The pages of an account: sign in, sign up, follow a link, change what may be changed."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from api.accounts import REGISTERED, WRITTEN_TO, register
from api.signing_in import browser_clear, password_chosen, session_open
from api.throttles import throttled
from pipelines.accounts import services
from pipelines.accounts.models import User
from pipelines.core.errors import InvalidInput
from pipelines.letters.services import letter_request

_FORM = "pages/form.html"


class SignIn(LoginView):
    """Signing in, by username or e-mail address."""

    template_name = "pages/sign_in.html"
    redirect_authenticated_user = True


class SignOut(LogoutView):
    """Signing out; a page asks first, since a link alone could be followed by a machine."""

    http_method_names = ["get", "post", "options"]
    next_page = "landing"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ask."""
        return _form(request, forms.Form(), "Sign out?", "Sign out")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """End the session."""
        response = super().post(request, *args, **kwargs)
        browser_clear(response)
        return response


def _new_password(**options: Any) -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
    return forms.CharField(max_length=4096, strip=False, widget=widget, **options)


class SignUpForm(forms.Form):
    """A new account."""

    email = forms.EmailField(max_length=150)
    password = _new_password()

    def clean(self) -> dict[str, Any]:
        """Hold the password against the rules."""
        fields = super().clean() or {}
        if "password" in fields:
            try:
                validate_password(fields["password"], User(email=fields.get("email", "")))
            except forms.ValidationError as error:
                self.add_error("password", error)
        return fields


class AddressForm(forms.Form):
    """Whom to write to, and about what."""

    email = forms.EmailField(max_length=150)
    letter = forms.ChoiceField(
        label="What I need",
        choices=[("sign_in", "a link to sign in"), ("reset", "a link to choose another password")],
    )


class PasswordForm(forms.Form):
    """Another password."""

    token = forms.CharField(max_length=1024, widget=forms.HiddenInput)
    password = _new_password(validators=[validate_password])


class TokenForm(forms.Form):
    """What a link bears."""

    token = forms.CharField(max_length=1024, widget=forms.HiddenInput)


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]  # not at run time
    """What a person says about themselves."""

    class Meta:
        model = User
        fields = ("first_name", "last_name", "bio", "company_name", "industry", "job_title")


@require_http_methods(["GET", "HEAD", "POST"])
@throttled("register")
def sign_up(request: HttpRequest) -> HttpResponse:
    """Register; what is said then is the same whether the address is known or not."""
    form = SignUpForm(request.POST or None)
    if form.is_valid():
        register(form.cleaned_data["email"], form.cleaned_data["password"])
        return _said(request, "Look into your mailbox", REGISTERED)
    return _form(request, form, "Sign up", "Sign up", action=reverse("sign-up"))


@require_http_methods(["GET", "HEAD", "POST"])
@throttled("mail")
def forgotten(request: HttpRequest) -> HttpResponse:
    """Order a link to sign in, or to choose another password."""
    form = AddressForm(request.POST or None)
    if form.is_valid():
        letter_request(name=form.cleaned_data["letter"], email=form.cleaned_data["email"])
        return _said(request, "Look into your mailbox", WRITTEN_TO)
    return _form(request, form, "Sign in without a password", "Send the link")


@require_http_methods(["GET", "HEAD", "POST"])
def sign_in_by_link(request: HttpRequest) -> HttpResponse:
    """Sign in by a link; looking at it does nothing, since machines look at links in e-mails."""
    form = TokenForm(request.POST or None, initial={"token": request.GET.get("token", "")})
    if form.is_valid():
        try:
            user = services.link_sign_in(token=form.cleaned_data["token"])
        except InvalidInput as error:
            return _said(request, "This does not work", error.detail, status=400)
        session_open(request, user)
        return redirect(settings.LOGIN_REDIRECT_URL)
    return _form(request, form, "Sign in", "Sign in")


@require_http_methods(["GET", "HEAD", "POST"])
def reset(request: HttpRequest) -> HttpResponse:
    """Choose a password by a link."""
    form = PasswordForm(request.POST or None, initial={"token": request.GET.get("token", "")})
    if form.is_valid():
        try:
            password_chosen(**form.cleaned_data)
        except InvalidInput as error:
            return _said(request, "This does not work", error.detail, status=400)
        return redirect("sign-in")
    return _form(request, form, "Choose another password", "Choose it")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """Show the own account, and change it."""
    user = cast("User", request.user)
    form = ProfileForm(request.POST or None, instance=user)
    if form.is_valid():
        services.account_update(user=user, fields=form.cleaned_data)
        return redirect("profile")
    return _form(request, form, user.username, "Save")


def _form(
    request: HttpRequest, form: forms.BaseForm, title: str, button: str, *, action: str = ""
) -> HttpResponse:
    status = 400 if form.is_bound else 200
    context = {"form": form, "title": title, "button": button, "action": action}
    return render(request, _FORM, context, status=status)


def _said(request: HttpRequest, title: str, sentence: str, status: int = 200) -> HttpResponse:
    context = {"title": title, "sentence": sentence}
    return render(request, "pages/said.html", context, status=status)
