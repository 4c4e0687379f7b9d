"""Text that gives orders to a language model: nothing for people, and nothing that an answer may rest on."""

from __future__ import annotations

import re
import unicodedata

_MODEL = (
    r"(?:a\.?i\.?(?: model| assistant| agent| system)?|assistant|chat ?bot|(?:large )?language model|llm|gpt)"
)
_RULES = r"(?:instruction|prompt|directive|command|guideline|rule|order)s?\b"
_SET_ASIDE = (
    r"(?:ignore|disregard|forget|override|bypass|overrule|"
    r"(?:stop|do not|don't|never) (?:follow|obey)(?:ing)?)"
)
_EARLIER = r"(?:previous|prior|above|earlier|preceding|former|your|system|given)"

# What is written to a model and to nobody else. In doubt a text is for people: "tell customers that …",
# "ignore the error", "the assistant manager must …" stand in handbooks. Every repetition is bounded.
_FORMS = (
    rf"\b{_SET_ASIDE}\b[^.!?\n]{{0,40}}?\b{_EARLIER}\b[^.!?\n]{{0,20}}?{_RULES}",
    rf"\b(?:ignore|disregard|forget|override) (?:(?:all|the|any|these|those) ){{0,3}}{_RULES}",
    r"\b(?:ignore|disregard|forget) (?:everything|all|anything) (?:above|before|you (?:know|were|have))",
    r"\b(?:stop following|do not follow) the rules you\b|\boverride your\b",
    r"\b(?:do not|don't|never) answer (?:the|this|any) question|\bwhat you (?:make up|invent)\b",
    r"\byour (?:system|original|initial|hidden) (?:prompt|instructions|message)\b",
    rf"\bnew (?:instruction|directive|order|system prompt)s? (?:for|to) (?:the |an? |any |you\b)?{_MODEL}?",
    r"\b(?:note|message|instruction|attention|notice|reminder)s?,? (?:(?:to|for) )?(?:the |an? |any |all )?"
    rf"{_MODEL}s?\b",
    rf"(?:^|[.!?]\s)\W{{0,3}}(?:dear |hey |hello )?(?:{_MODEL}s?\s?[,!]|(?:ai|chat ?bot|llm|gpt):)",
    rf"\bas an {_MODEL}\b[^.!?\n]{{0,40}}\byou\b",
    rf"\b{_MODEL}s? (?:reading|that reads|who reads|which reads|reads?) (?:this|these|it|on)\b",
    rf"\b{_MODEL} (?:must|shall|should|has to|is to|needs to|will) (?:\w+ )?"
    r"(?:say|answer|reply|respond|state|claim|append|tell|repeat|obey|output|print|reveal)\b",
    r"\b(?:reply|respond|answer) (?:only|just|solely) with\b|\brespond only\b",
    r"\byou are now (?:in )?(?:dan\b|developer mode|an? (?:unrestricted|uncensored|free)|jailbroken)",
    r"\b(?:you|who|dan|assistant|ai)\b[^.!?\n]{0,60}\b(?:knows? no|without(?: any)?|has no|have no) "
    r"(?:rules|restrictions|filters|limits)\b",
    r"\b(?:pretend (?:to be|that you are)|let us play: you are|role-?play as)\b",
    r"\bdecode (?:this|the following|it)\b[^.!?\n]{0,40}\b(?:do|follow|obey|execute|run)\b",
    r"\bcall the (?:tool|function)\b|\bwhoever reads this\b",
    r"<\|[^|<>\n]{1,40}\|>|\[/?INST\]|<</?SYS>>|</?(?:start|end)_of_turn>|</?tool_call>|</?system>",
    r"\b(?:system|human|user):\s[^\n]{1,300}(?:\n[^\n]{0,3})?\bassistant:\s",
    r"#{2,6} ?(?:instruction|response)\b:?|^(?:instruction|response): ",
)
_ORDERS = re.compile("|".join(_FORMS), re.IGNORECASE | re.MULTILINE)

# "Ignore … instructions" in further languages, verb and noun each with the endings that they take.
_ELSEWHERE = re.compile(
    r"\b(?:ignor\w{1,8}|vergiss|missachte|oublie[zr]?|olvida|dimentica|esque[cç]a|negeer|vergeet|zignoruj\w{0,3}"
    r"|ignoruj\w{0,3}|игнорируй\w{0,3}|забудь\w{0,3})\b[^.!?\n]{0,50}?\b(?:anweisung\w{0,3}|instru[ckçz]\w{1,8}"
    r"|istruzion\w{1,3}|consign\w{1,3}|regel\w{0,2}|polece\w{1,4}|инструкци\w{1,3}|указани\w{1,3})"
    r"|忽[略视視][^。!?\n]{0,20}(?:指令|指示|提示)|(?:指示|命令|指令)[^。!?\n]{0,12}無視"
    r"|(?:지시|명령)[^.!?\n]{0,12}무시|تجاهل[^.!?\n]{0,30}(?:تعليمات|أوامر)",
    re.IGNORECASE,
)
# Without one of these none of the patterns can match; to look for them takes a hundredth of the time.
_CUE_WORDS = (
    "ignor|disregard|forget|overrid|bypass|overrul|stop following|not follow|'t follow|never follow|obey|"
    "your system|your original|your initial|your hidden|new instruction|new directive|new order|"
    "system prompt|not answer|'t answer|never answer|you make up|you invent|call the |reads this|assistant|"
    "chatbot|chat bot|language model|llm|gpt| ai| a.i|only with|just with|solely with|respond only|"
    "are now in|now dan|unrestricted|uncensored|now a free|jailbr|no rules|no restrict|no filters|no limits|"
    "any rules|any restrict|any filters|any limits|without r|without filters|without limits|pretend |"
    "you are the|roleplay|role-play|decode |[inst|[/inst|sys>>|_of_turn|tool_call>|system>|system:|"
    "instruction|response|vergiss|missachte|oubli|olvid|dimentica|esque|negeer|vergeet|забудь|"
    "忽|無視|무시|تجاهل|игнор"
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
