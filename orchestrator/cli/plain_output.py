"""Output on terminals and in logs that cannot show every character, such as those of the ASCII locale "C"."""

import codecs
import sys
import unicodedata

#: Name of the error handler of encodings.
NEAREST_ASCII = "benevolent_nearest_ascii"
#: One ASCII character for one, so that the columns of tables stay where they are; ± is found in sentences only.
_SUBSTITUTES = str.maketrans(
    {
        "τ": "t",
        "Ψ": "P",
        "ρ": "r",
        "Δ": "d",
        "Σ": "S",
        "α": "a",
        "ε": "e",
        "μ": "u",
        "±": "+/-",
        "≈": "~",
        "‖": "|",
        "−": "-",
        "–": "-",
        "—": "-",
        "…": ".",
        "·": ".",
        "●": "*",
        "○": "o",
        "◌": "=",
        "◐": "(",
        "◑": ")",
        "×": "x",
        "†": "+",
        "≤": "<",
        "≥": ">",
        "’": "'",
        "“": '"',
        "”": '"',
    }
)
# box-drawing characters: lines, then corners and crossings
_SUBSTITUTES |= dict.fromkeys(map(ord, "─━╌╍═╴╶╸╺╼╾"), "-")
_SUBSTITUTES |= dict.fromkeys(map(ord, "│┃║"), "|")
_SUBSTITUTES |= dict.fromkeys(range(0x250C, 0x254C), "+")


def show_nearest_characters() -> None:
    """Make standard output and standard error replace what their encoding has not, instead of failing."""
    codecs.register_error(NEAREST_ASCII, _substitute)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # a stream that a test or a notebook put there may lack it
        if reconfigure is not None:
            reconfigure(errors=NEAREST_ASCII)


def nearest_ascii(text: str) -> str:
    """Return text in ASCII characters, as many as it has: without accents, "?" where none is near.

    >>> nearest_ascii("τ = −0.5 ● R² ≤ é"), nearest_ascii("漢")
    ('t = -0.5 * R2 < e', '?')
    """
    decomposed = [unicodedata.normalize("NFKD", letter)[0] for letter in text.translate(_SUBSTITUTES)]
    return "".join(letter if letter.isascii() else "?" for letter in decomposed)


def _substitute(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return nearest_ascii(error.object[error.start : error.end]), error.end
