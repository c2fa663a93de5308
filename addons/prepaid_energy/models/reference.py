"""References that payers type by hand: check digits, and finding them in a text.

A wallet's reference is an ISO 11649 creditor reference, ``RF60EW000001``: two check
digits by ISO 7064 mod 97-10 find every wrong digit and every swap of two neighbours.
Banking apps know the format. References without check digits stay valid.

>>> with_check_digits("EW000001")
'RF60EW000001'
>>> is_checked("rf60 EW00 0001"), is_checked("RF60EW000010")
(True, False)
>>> "RF60EW000001" in read("Top-up rf60-ew00 0001, thanks")
True
"""

import re

OTHER = re.compile(r"[^A-Z0-9]+")
CHECKED = re.compile(r"RF\d\d[A-Z0-9]{1,21}")
JOINED = 8  # so many parts of a text may be one reference: "RF60 EW00 0001"
LONGEST = 25  # characters of an ISO 11649 reference
TEXT = 2000  # characters of a bank's text that are looked at


def key(text):
    """``text`` in capitals, letters and digits only: what two spellings share."""
    return OTHER.sub("", (text or "").upper())


def remainder(text):
    """``text`` as a number modulo 97; letters count 10 to 35.

    >>> remainder("EW000001RF60")
    1
    """
    return int("".join(str(int(sign, 36)) for sign in text)) % 97


def check_digits(text):
    """The two digits that make ``text`` followed by them 1 modulo 97."""
    return f"{98 - remainder(text + '00'):02}"


def with_check_digits(text):
    """The ISO 11649 reference of ``text``; as it is where it would be too long."""
    body = key(text)
    if not 0 < len(body) <= LONGEST - 4:
        return text
    return f"RF{check_digits(body + 'RF')}{body}"


def is_checked(text):
    """Whether ``text`` is an ISO 11649 reference with the right check digits."""
    found = key(text)
    if not CHECKED.fullmatch(found):
        return False
    return remainder(found[4:] + found[:4]) == 1


def read(text):
    """Everything in a text that may be a reference, as keys.

    People write spaces and dashes anywhere, so neighbouring parts are also joined;
    a reference must begin and end where parts do.

    :return: set of keys of at most :data:`LONGEST` characters.
    """
    parts = [part for part in OTHER.split((text or "")[:TEXT].upper()) if part]
    found = set()
    for start in range(len(parts)):
        joined = ""
        for part in parts[start : start + JOINED]:
            joined += part
            if len(joined) > LONGEST:
                break
            found.add(joined)
    return found


def mistyped(keys):
    """Those of ``keys`` that look like references and have wrong check digits."""
    return {one for one in keys if CHECKED.fullmatch(one) and not is_checked(one)}
