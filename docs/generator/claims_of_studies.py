"""Claims of every study and what came out, as `bth run study:all` printed them."""

import re

HEADING = re.compile(r"^([a-z][a-z0-9-]*): ", re.MULTILINE)
#: Two spaces before a kind of claims, four before a claim.
KIND = re.compile(r"^  (\S.*)$")
CLAIM = re.compile(r"^    (holds|does not hold|undecided): (.*)$")


def claims_of_studies(text: str) -> dict[str, dict[str, list[tuple[str, str]]]]:
    r"""Return, for each study and each kind of claims, the decision and the words of every claim.

    >>> claims_of_studies("a-study: Title\n  Claims of the paper\n    holds: It is so (by 0.1)\n")
    {'a-study': {'Claims of the paper': [('holds', 'It is so (by 0.1)')]}}
    """
    studies: dict[str, dict[str, list[tuple[str, str]]]] = {}
    study = ""
    kind = ""
    for line in text.splitlines():
        if heading := HEADING.match(line):
            study = heading[1]
        elif claim := CLAIM.match(line):
            studies.setdefault(study, {}).setdefault(kind, []).append((claim[1], claim[2]))
        elif group := KIND.match(line):
            kind = group[1]
    return studies
