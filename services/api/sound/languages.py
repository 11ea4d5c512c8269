"""Languages by the names that OpenAI's API gives them, which are Whisper's."""

from __future__ import annotations

_LIST = """
af afrikaans am amharic ar arabic as assamese az azerbaijani ba bashkir be belarusian bg bulgarian bn bengali
bo tibetan br breton bs bosnian ca catalan cs czech cy welsh da danish de german el greek en english es spanish
et estonian eu basque fa persian fi finnish fo faroese fr french gl galician gu gujarati ha hausa haw hawaiian
he hebrew hi hindi hr croatian ht haitian_creole hu hungarian hy armenian id indonesian is icelandic it italian
ja japanese jw javanese ka georgian kk kazakh km khmer kn kannada ko korean la latin lb luxembourgish ln lingala
lo lao lt lithuanian lv latvian mg malagasy mi maori mk macedonian ml malayalam mn mongolian mr marathi ms malay
mt maltese my myanmar ne nepali nl dutch nn nynorsk no norwegian oc occitan pa punjabi pl polish ps pashto
pt portuguese ro romanian ru russian sa sanskrit sd sindhi si sinhala sk slovak sl slovenian sn shona so somali
sq albanian sr serbian su sundanese sv swedish sw swahili ta tamil te telugu tg tajik th thai tk turkmen
tl tagalog tr turkish tt tatar uk ukrainian ur urdu uz uzbek vi vietnamese yi yiddish yo yoruba yue cantonese
zh chinese
"""
_WORDS = _LIST.split()
NAMES: dict[str, str] = {code: name.replace("_", " ") for code, name in zip(_WORDS[::2], _WORDS[1::2], strict=True)}
"""Names by ISO 639-1 codes, as Whisper has them."""
_CODES = {name: code for code, name in NAMES.items()}
_UNSPACED = frozenset({"ja", "km", "lo", "my", "th", "yue", "zh"})
"""Written without spaces between sentences."""


def code_of(language: str) -> str:
    """`de`, `DE`, `de-AT` and `German` are all `de`; what is unknown stays as it is, in small letters."""
    plain = language.strip().lower()
    return _CODES.get(plain, plain.replace("_", "-").partition("-")[0])


def between(language: str) -> str:
    """What stands between two sentences."""
    return "" if language in _UNSPACED else " "
