"""The application of the README: ``shoal up tasks:app``, from this folder."""

from dataclasses import dataclass

from shoal import Shoal, TaskContext

app = Shoal()


@dataclass
class Email:
    to: str
    subject: str


@app.task("email.send", timeout="30s", max_retries=5)
async def send_email(ctx: TaskContext, payload: Email) -> dict[str, str]:
    return {"sent_to": payload.to}
