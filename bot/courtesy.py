"""What may be said in small talk, where no document can be asked whether it is true."""

from __future__ import annotations

from knowledge.terms import content_stems, stem

# Greetings, thanks, offers of help, and what a bot says of itself: words that claim nothing of a person, a
# company or a thing, and do not suffice to repeat what somebody wants said.
_WORDS = """
    hello hi hey howdy greetings good morning afternoon evening night day days today tomorrow tonight week
    weekend year welcome back thank thanks thankful grateful appreciate pleasure pleased glad happy
    delighted nice great lovely wonderful awesome amazing fantastic excellent perfect kind kindly fine
    well better best sorry apologise apologize apologies regret worry worries problem please sure course
    certainly absolutely indeed yes no okay ok help helps helped helpful helping assist assists assistance
    assistant friendly support ask asks asking asked question questions answer answers answering answered
    reply document documents page pages source sources find finding found look looking search read reading
    tell telling told know knowing learn let need needs want wants like likes love enjoy enjoyed anything
    something everything else more further again always any time anytime talk talking chat chatting speak
    speaking conversation meet meeting see seeing hear hearing soon later moment bye goodbye farewell care
    take hope wish team teams information topic topics subject here there ready able feel feeling going
    doing come coming get getting give try trying keep start let's lorebot bot name machine computer
    program model language ai human person people friend mind matter thought thoughts word words way ways
    thing things bit lot much many really very truly quite just right away hand fun smile cheers luck rest
    sleep birthday new next first sound sounds make makes made work works working use using used
"""
_STEMS = frozenset(stem(_WORDS.replace("'", " ").split()))


def is_courtesy(sentence: str, colour: frozenset[str] = frozenset()) -> bool:
    """Whether a sentence is made of courtesies alone; `colour` are stems of the voice that claim nothing."""
    return set(content_stems(sentence)) <= _STEMS | colour
