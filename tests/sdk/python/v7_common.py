"""What the two programs for deepgram-sdk 7 share."""

from deepgram.environment import DeepgramClientEnvironment


def environment(session):
    http = session.address.replace("ws", "http", 1)
    return DeepgramClientEnvironment(base=http, production=session.address, agent=session.address, agent_rest=http)


def facts(message):
    """A message as the SDK gives it; unknown types are `None`, binary ones are bytes."""
    if message is None or isinstance(message, bytes):
        return {"type": type(message).__name__}
    # The SDK builds messages unchecked; its own model is the stricter judge.
    type(message).model_validate(message.model_dump())
    return {"type": type(message).__name__, "message": message.model_dump(mode="json")}
