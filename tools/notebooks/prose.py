"""What prose is measured by: numbers typed into it, its length, its parentheses."""

import re

# What may hold digits without claiming a measurement.
EXEMPT = re.compile(
    r"^(?P<fence>```+|~~~+).*?^(?P=fence)"  # code blocks
    r"|(?P<tick>`+).+?(?P=tick)"  # code spans
    r"|\]\([^)]*\)"  # link targets
    r"|<[^>\n]+>"  # HTML tags and autolinks
    r"|https?://\S+"
    r"|\barXiv:\d{4}\.\d{4,5}"
    r"|\b(?:doi:\s*)?10\.\d{4,}/\S+"
    r"|\bexercises? \d+\.\d+"
    r"|\b9[059]\s?% (?:confidence )?(?:interval|bootstrap)",
    re.M | re.S | re.I,
)
NUMBER = re.compile(
    r"(?<![\w.])(?:\d[\d,]*)?\.\d+(?:\s?%)?"  # a decimal
    r"|(?<![\w.])\d+(?:\s?%|\s?per\s?cent\b)",
    re.I,
)


def typed_numbers(text: str) -> list[str]:
    """The decimals and percentages in Markdown text, outside code, links, references and exercise numbers."""
    return [found.strip() for found in NUMBER.findall(EXEMPT.sub(" ", text))]


NO_PROSE = re.compile(
    r"^(?P<fence>```+|~~~+).*?^(?P=fence)|(?P<tick>`+).+?(?P=tick)|\$[^$\n]+\$|\]\([^)]*\)|<[^>\n]+>|\{\{.*?\}\}",
    re.M | re.S,
)


def words(text: str) -> int:
    """How many words of prose Markdown text has; code, formulae, targets, tags are none."""
    return len(re.findall(r"[^\W\d_][\w'’-]*", NO_PROSE.sub(" ", text)))


def parentheses(text: str) -> int:
    """How many parentheses open in the prose of Markdown text."""
    return NO_PROSE.sub(" ", text).count("(")
