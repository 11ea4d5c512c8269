"""What a message holds: text, and pictures as data: URLs."""

from __future__ import annotations

import base64
import binascii

from services.api.openai.errors import InvalidParameter

MOST_IMAGES = 16
"""Pictures of one message."""
_KINDS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF")
"""How JPEG, PNG and WebP files begin."""


def content_of(content: object, param: str) -> tuple[str, tuple[bytes, ...]]:
    """Text and pictures of a string, of a list of parts, or of nothing. Raises InvalidParameter, naming `param`."""
    if content is None:
        return "", ()
    if isinstance(content, str):
        return content, ()
    if not isinstance(content, list):
        raise InvalidParameter("The content is neither text nor a list of parts", param=param)
    texts: list[str] = []
    images: list[bytes] = []
    for place, part in enumerate(content):
        where = f"{param}.{place}"
        match part:
            case {"type": "text" | "input_text" | "output_text", "text": str(text)}:
                texts.append(text)
            case {"type": "refusal", "refusal": str(text)}:
                texts.append(text)
            case {"type": "image_url", "image_url": {"url": str(url)}} | {"type": "image_url", "image_url": str(url)}:
                images.append(image_of(url, where))
            case {"type": "input_image", "image_url": str(url)}:
                images.append(image_of(url, where))
            case _:
                hint = "Send parts of the types text and image_url, or input_text and input_image."
                raise InvalidParameter("Solo does not take such a part", param=where, hint=hint)
    if len(images) > MOST_IMAGES:
        raise InvalidParameter(f"More than {MOST_IMAGES} pictures in one message", param=param)
    return "\n".join(texts), tuple(images)


def image_of(url: str, param: str) -> bytes:
    """The picture inside a data: URL. Raises InvalidParameter."""
    head, _, data = url.partition(",")
    if not (head.startswith("data:image/") and head.endswith(";base64")):
        hint = "Send the picture itself as a data: URL in base64."
        raise InvalidParameter("Solo fetches nothing from the web for a question", param=param, hint=hint)
    return decoded(data, param)


def decoded(data: str, param: str) -> bytes:
    """A picture in base64. Raises InvalidParameter."""
    try:
        image = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidParameter("The picture is not base64", param=param) from error
    if not image.startswith(_KINDS):
        raise InvalidParameter("The picture is neither JPEG nor PNG nor WebP", param=param, hint="Convert it first.")
    return image
