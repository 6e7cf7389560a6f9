"""The steps of a delivery."""

from __future__ import annotations

from pipelines.core.steps import Pipeline, Retry, Step, register
from pipelines.webhooks import sending

# Five seconds, ten, twenty and so on, from the thirteenth on six hours: about three days in all.
DELIVER = Step("webhooks.deliver", queue="mail", retry=Retry(attempts=22, base=5.0, ceiling=21_600))
# Whoever asks whether an endpoint hears wants to know it now.
TRY = Step("webhooks.try", queue="mail", retry=Retry(attempts=1))


def _pipeline(kind: str, step: Step) -> Pipeline:
    hooks = {"on_end": sending.delivery_close, "on_replay": sending.delivery_reopen}
    return register(Pipeline(kind, steps=(step,), **hooks))


DELIVERY = _pipeline("webhooks.delivery", DELIVER)
TRIAL = _pipeline("webhooks.trial", TRY)
