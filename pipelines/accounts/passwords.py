"""What a password may not be made of, besides what Django's own validators refuse."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

_FEWEST = 8


class HouseWords:
    """Refuses a password of which little is left without the words of PASSWORD_WORDS."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raise ValidationError unless eight other characters are left."""
        words = "|".join(map(re.escape, settings.PASSWORD_WORDS))
        left = re.sub(words, "", password, flags=re.IGNORECASE) if words else password
        if left != password and len(left) < _FEWEST:
            raise ValidationError(self.get_help_text(), code="password_of_the_house")

    def get_help_text(self) -> str:
        """Say it in a sentence."""
        return "A password is more than a name of this service."
