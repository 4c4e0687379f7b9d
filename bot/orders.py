"""Text that gives orders to a language model: nothing for people, and nothing that an answer may rest on."""

from __future__ import annotations

import re
import unicodedata

_AI = r"(?:a\.?i\.?(?: (?:model|assistant|agent|system))?|chat ?bot|(?:large )?language model|llm|gpt)s?"
_RULES = r"(?:instruction|prompt|directive)s?\b"
_EARLIER = r"(?:previous|prior|above|earlier|preceding|former|original|initial|system)"
_SET_ASIDE = (
    r"(?:ignore|disregard|forget|override|bypass|(?:stop|do not|don't|never) (?:follow|obey)(?:ing)?)"
)
_BIDDING = r"(?:please )?(?:say|tell|answer|reply|respond|read on|ignore|always|never|do not|you)\b"

# What is written to a model and to nobody else. In doubt a text is for people: "ignore the error", "new
# orders to France", "response: within 4 hours" and "the assistant must say" stand in handbooks, and what is
# taken for an order answers nobody any more. Every repetition is bounded.
_FORMS = (
    rf"\b{_SET_ASIDE} (?:(?:all|any|of|the|your|my|these|those) ){{0,4}}{_EARLIER} (?:\w+ )?{_RULES}",
    rf"\b{_SET_ASIDE} (?:all |any )?(?:of )?(?:the |your )?{_RULES} (?:above|before this|you (?:were|have))",
    rf"\b{_SET_ASIDE} (?:all )?(?:the )?rules (?:that )?you (?:were|have been) given\b",
    r"\b(?:ignore|disregard|forget) (?:everything|all) (?:above|before this|you (?:were|have been) told)\b",
    r"\b(?:ignore|disregard|override) your instructions\b|\byour (?:system|hidden) (?:prompt|instructions)\b",
    r"\b(?:print|reveal|show|repeat|output|leak)\b[^.!?\n]{0,40}\byour (?:original|initial) "
    r"(?:prompt|instructions)\b",
    r"\b(?:note|message|instruction|directive|notice|reminder)s? (?:to|for) (?:the |an? |any |all )?"
    rf"{_AI}\s?[:,!]",
    rf"\battention,? {_AI}\s?[:,!]",
    rf"(?:^|[.!?]\s)\W{{0,3}}(?:dear |hey |hello )?{_AI}\s?[:,!] {_BIDDING}",
    rf"(?:^|[.!?]\s)\W{{0,3}}(?:dear |hey |hello )?assistant[,!] {_BIDDING}",
    rf"\bas an {_AI}[^.!?\n]{{0,40}}\byou\b",
    rf"\b(?:{_AI}|assistants?) (?:reading|that reads?|who reads?|which reads?|reads?) (?:this|these)\b",
    rf"\bwhoever reads this\b[^.!?\n]{{0,40}}\b{_AI}\b",
    r"\byou are (?:now |in )*(?:dan\b|developer mode|an? (?:unrestricted|uncensored)|jailbroken)",
    rf"\b(?:pretend (?:to be|that you are)|role-?play as) (?:an? )?(?:\w+ )?(?:{_AI}\b|dan\b)",
    r"\bdecode (?:this|the following|it)\b[^.!?\n]{0,40}\b(?:do what|follow|obey|execute) (?:it|the|what)\b",
    r"\b(?:assistant|ai|model) without (?:any )?(?:restrictions|filters|rules)\b",
    r"<\|[^|<>\n]{1,40}\|>|\[/?INST\]|<</?SYS>>|</?(?:start|end)_of_turn>|</?tool_call>|</?system>",
    r"(?:^|[.!?]\s)\W{0,3}system:\s[^\n]{1,300}?(?:[.!?]|\n)\s{0,3}assistant:\s",
    r"#{3} ?(?:instruction|response):",
)
_ORDERS = re.compile("|".join(_FORMS), re.IGNORECASE | re.MULTILINE)

# "Ignore the earlier instructions" in further languages, each word with the endings that it takes.
_ELSEWHERE = re.compile(
    r"\b(?:ignorier\w{0,3}|vergiss|missachte|ignorez|oublie[zr]?|ignora|olvida|dimentica|ignore|esque[cç]a|negeer"
    r"|vergeet|zignoruj\w{0,3}|ignoruj\w{0,3}|игнорируй\w{0,3}|забудь\w{0,3})\b(?=[^.!?\n]{0,60}\b(?:vorherig"
    r"|bisherig|obig|fr[üu]here|pr[ée]c[ée]dent|ant[ée]rieur|anterior|previ[ao]s|precedent|vorige|eerdere"
    r"|poprzedni|wcze[śs]niejsz|предыдущ|прежн))[^.!?\n]{0,60}?\b(?:anweisung\w{0,3}|instruk?[cçz]\w{1,8}"
    r"|instruct\w{1,6}|istruzion\w{1,3}|consign\w{1,3}|regel\w{0,2}|polece\w{1,4}|инструкци\w{1,3}|указани\w{1,3})"
    r"|忽[略视視][^。!?\n]{0,10}(?:之前|以前|先前|上述|以上)[^。!?\n]{0,12}(?:指令|指示|提示)"
    r"|(?:以前|これまで|上記)[^。!?\n]{0,10}(?:指示|命令|指令)[^。!?\n]{0,12}無視"
    r"|(?:이전|앞)[^.!?\n]{0,10}(?:지시|명령)[^.!?\n]{0,12}무시|تجاهل[^.!?\n]{0,30}(?:تعليمات|أوامر)[^.!?\n]{0,12}سابق",
    re.IGNORECASE,
)
# Without one of these none of the patterns can match; to look for them takes a hundredth of the time.
_CUE_WORDS = (
    "ignor|disregard|forget|overrid|bypass|stop following|not follow|'t follow|never follow|obey|"
    "your system|your hidden|your original|your initial|reads this|assistant|"
    "chatbot|chat bot|language model|llm|gpt| ai| a.i|you are |without |unrestricted|uncensored|"
    "jailbr|decode |[inst|[/inst|sys>>|_of_turn|tool_call>|system>|instruction|response|"
    "vergiss|missachte|oubli|olvid|dimentica|esque|negeer|vergeet|забудь|忽|無視|무시|تجاهل|игнор"
)
_CUES = (*_CUE_WORDS.split("|"), "\nai", "<|")
_LEET = str.maketrans("431057@$", "aeiostas")


def orders_a_model(text: str) -> bool:
    """Whether a text speaks to a language model instead of to its readers.

    It knows the common forms of indirect prompt injection (Greshake et al. 2023, "Not what you've signed up
    for"; OWASP Top 10 for LLM Applications 2025, LLM01), digits in the place of letters and other languages
    among them. Whoever words it otherwise is not seen: no answer rests on this alone.
    """
    plain = unicodedata.normalize("NFKC", text)
    return _gives_orders(plain) or (_has_digits_in_words(plain) and _gives_orders(plain.translate(_LEET)))


def _gives_orders(text: str) -> bool:
    lower = f" {text.lower()}"
    if not any(cue in lower for cue in _CUES):
        return False
    return _ORDERS.search(text) is not None or _ELSEWHERE.search(text) is not None


def _has_digits_in_words(text: str) -> bool:
    return re.search(r"[^\W\d_]\d[^\W\d_]", text) is not None
