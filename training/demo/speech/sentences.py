"""Our own sentences: a small grammar over a vocabulary that covers every phone.

Three kinds are mixed so that a recogniser learns sounds rather than our phrases: grammatical
sentences, runs of unrelated words, and invented words built from legal syllables. Words with
p, b and m are frequent: lips that fail to close are what viewers notice first.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from .phones import listed

_NOUNS = listed("""
    apple arm baby bag ball banana bear bed bell bird blanket boat book bottle bowl box boy branch
    bread bridge brother brush bubble bucket building butter button cabin camera camp candle cap
    car castle cat chair cheese cherry chicken child church circle city cliff clock cloud coat
    coffee coin collar corner cottage couch cousin cow crown cup curtain daughter desk doctor dog
    dolphin door dream dress drum duck ear earth egg elbow engine evening eye fabric face family
    farmer father feather fence field finger fire fish flag floor flower foot forest fork fox
    friend frog fruit game garage garden gate gift giraffe girl glass glove goat grandmother grape
    grass guitar hammer hand harbour hat heart hill honey hook horse house ice iron island jacket
    jam jar jewel joke journey judge juice jungle kettle key king kitchen kite knee knife ladder
    lake lamb lamp language lawyer leaf leather lemon letter library light lion lip lizard lunch
    machine magazine map market match meadow measure melody member mirror money monkey moon
    morning mother mountain mouse mouth movie mushroom music napkin neck needle neighbour nest
    noise nose notebook number oak ocean office oil onion orange owl oyster package page paint
    palm pan panther paper parade park path peach pear pen pencil people pepper person phone
    picture pillow pilot pipe plan plane plate pleasure pocket poem point pony porch pot potato
    present problem pumpkin puppy purse puzzle queen question rabbit radio rain ribbon rice ring
    river road robin rocket roof room rope rose ruler sail salad sand sandwich school scissors
    sea season seed shadow shape sheep shelf shell shirt shoe shop shoulder shower sign sister
    sky sleeve snake soap sock sofa song soup spider spoon spring squirrel stair star station
    stone storm story street string student sugar summer sun supper swing table tail task teacher
    temple theatre thief thing thought throat thumb thunder tiger tooth towel tower town toy
    train treasure tree triangle trip truck trumpet tunnel uncle umbrella valley van vase
    vegetable village violin vision visit voice wagon wall watch water wave weather week whale
    wheel whistle window wing winter wolf woman wood word world worm yard year zebra zipper
""")

_ADJECTIVES = listed("""
    able amber ample angry awful bad beautiful beige bent big bitter black blue bold boring brave
    brief bright broad brown busy calm careful cheap cheerful clean clear clever cold comfortable
    common cool cosy crisp cruel curious damp dark deep delicious different dirty dry dull eager
    early easy empty enormous equal fair famous fast fine flat foolish free fresh friendly full
    funny gentle giant glad golden good grateful great green grey happy hard healthy heavy high
    hollow honest hot huge humble hungry icy important jolly joyful kind large late lazy lean
    light little lively lonely long loose loud lovely low lucky mad mild modern narrow nasty
    near neat new nice noble noisy odd old orange ordinary pale patient perfect plain pleasant
    polite poor popular precious pretty proud pure purple quick quiet rapid rare raw ready red
    rich ripe rough round royal rude sad safe scary shallow sharp shiny short shy silent silly
    silver simple slim slow small smart smooth soft sour special square steep still strange
    strong sudden sunny sweet tall tame tasty thick thin thirsty tidy tiny tired tough true ugly
    unusual useful usual vague various vast warm weak weird wet white whole wide wild wise
    wonderful wooden wrong yellow young
""")

_VERBS = listed("""
    admire avoid beat believe blame borrow bother break bring brush build bump buy call carry
    catch change chase check choose clean climb close collect compare compose cook copy cover
    cross describe destroy discover draw drop employ enjoy examine explain fetch fill find fix
    fold follow forget forgive gather give grab guard guess hear help hide hold hope imagine
    improve invite join judge jump keep kick know leave lift like lose love make map mark measure
    meet mend miss mix move name need notice offer open order own pack paint pass pay pick place
    plan please polish prefer prepare press promise protect prove pull push put question raise
    reach read receive recognise refuse remember remove repair repeat rob save search see sell
    send serve shake shape share shave shout show sing smell snap solve squeeze stop study
    support take taste teach tell thank think throw touch trade train travel treat trust try
    turn understand use visit wash watch wear weigh welcome whisper win wipe wish wrap write
""")

_ADVERBS = listed("""
    again almost already always away barely before boldly bravely briefly calmly carefully
    clearly closely daily early easily elsewhere finally forever gently gladly happily hardly
    honestly hopefully inside kindly lately maybe mostly never normally now often once outside
    patiently perhaps politely possibly probably properly quickly quietly rarely really
    seldom simply slowly softly somehow sometimes somewhere soon still suddenly surely today
    together tomorrow tonight truly twice usually very warmly well yesterday
""")

_PLACES = listed("""
    above_the below_the behind_the beside_the between_the by_the from_the in_front_of_the
    into_the near_the over_the past_the through_the under_the without_the with_my with_your
    about_the across_the around_the upon_the
""")

_SUBJECTS = listed("""
    I you he she we they everyone nobody somebody my_father my_mother your_brother his_sister
    her_uncle our_teacher their_boy that_girl this_woman both_boys five_people the_other_man
    most_members
""")

_DETERMINERS = listed("""
    the a my your his her our their this that every another some the_other one seven eight
    each_of_the both_of_the
""")

_AUXILIARIES = listed("""
    will would can could should may might must did does_not will_not could_never wanted_to
    hoped_to used_to tried_to is_about_to
""")

_OPENINGS = listed("""
    hello good_morning good_evening oh well yes no please thank_you excuse_me by_the_way
    as_you_know maybe of_course my_friend welcome_back pardon_me in_my_opinion believe_me
    goodbye remember imagine
""")

_EXTRA = listed("""
    azure beige treasure measure usual pleasure television decision explosion mirage rouge
    zoo zero buzz breeze jazz fuse amaze thirty third truth smooth breathe clothes either
    toy oil coin destroy voyage annoy loyal shout crowd ouch vow pound mouthful sure tour put
    could bull push wool thing sing singer finger hang young yes use cute beyond million why
    whip quick twelve swim pop papa pipe bob baby mumble mama map bump pump plump bobbin pebble
    puppet popcorn bumblebee member September November maple marble problem simple empty
    employment baptism membership compare ambulance tempo jump lamp limb numb humming
    remember probably people purple paper pepper pebbles bubbles mummy memory museum imp
    church judge rich edge witch future nature gentle magic large age major soldier
    thanks months fifths sixths texts asks glimpsed strengths prompts scripts
""")

_ONSETS = listed("""
    b bl br ch d dr f fl fr g gl gr h j k kl kr l m n p pl pr qu r s sh shr sk sl sm sn sp
    spl spr st str sw t th thr tr tw v w y z
""")
_NUCLEI = listed("a ai ar au ay e ea ee er i ie o oa oi oo or ou ow oy u ur")
_CODAS = listed("""
    b ck d dge f ft g k l lb lm lp lt m mp n nd ng nk nt p pt r s sh sk sp st t tch th v x z
""")


def sentences(count: int, seed: int) -> tuple[str, ...]:
    """`count` distinct sentences; the same seed gives the same ones."""
    rng = random.Random(f"sentences {seed}")
    drawn: dict[str, None] = {}
    while len(drawn) < count:
        kind = rng.random()
        if kind < 0.55:
            text = _statement(rng) if rng.random() < 0.7 else _question(rng)
        elif kind < 0.85:
            text = _words(rng)
        else:
            text = _invented(rng)
        drawn.setdefault(text)
    return tuple(drawn)


def vocabulary() -> tuple[str, ...]:
    """Every listed word once, sorted."""
    return tuple(sorted(set(_CONTENT)))


_CONTENT: Sequence[str] = (*_NOUNS, *_ADJECTIVES, *_VERBS, *_ADVERBS, *_EXTRA)


def _pick(rng: random.Random, words: Sequence[str]) -> str:
    return rng.choice(words).replace("_", " ")


def _thing(rng: random.Random) -> str:
    adjectives = [_pick(rng, _ADJECTIVES) for _ in range(rng.choice((0, 1, 1, 2)))]
    return " ".join([_pick(rng, _DETERMINERS), *adjectives, _pick(rng, _NOUNS)])


def _clause(rng: random.Random) -> str:
    subject = _pick(rng, _SUBJECTS) if rng.random() < 0.6 else _thing(rng)
    parts = [subject, _pick(rng, _AUXILIARIES), _pick(rng, _VERBS), _thing(rng)]
    if rng.random() < 0.5:
        parts += [_pick(rng, _PLACES), _pick(rng, _NOUNS)]
    if rng.random() < 0.4:
        parts.append(_pick(rng, _ADVERBS))
    return " ".join(parts)


def _statement(rng: random.Random) -> str:
    text = _clause(rng)
    if rng.random() < 0.3:
        text = f"{_pick(rng, _OPENINGS)}, {text}"
    if rng.random() < 0.2:
        joint = rng.choice(("and", "but", "because", "while", "though", "before"))
        text = f"{text}, {joint} {_clause(rng)}"
    return text + rng.choice("...!")


def _question(rng: random.Random) -> str:
    lead = rng.choice(
        ("why did", "how can", "when will", "where would", "would", "could", "should", "what if")
    )
    subject = _pick(rng, _SUBJECTS)
    return f"{lead} {subject} {_pick(rng, _VERBS)} {_thing(rng)} {_pick(rng, _ADVERBS)}?"


def _words(rng: random.Random) -> str:
    words = [
        _pick(rng, _EXTRA if rng.random() < 0.35 else _CONTENT) for _ in range(rng.randint(4, 10))
    ]
    if rng.random() < 0.4:
        words[rng.randrange(len(words) - 1)] += ","
    return " ".join(words) + "."


def _invented(rng: random.Random) -> str:
    def word() -> str:
        syllables = [
            rng.choice(_ONSETS) + rng.choice(_NUCLEI) for _ in range(rng.choice((1, 1, 2)))
        ]
        return "".join(syllables) + rng.choice(_CODAS)

    return " ".join(word() for _ in range(rng.randint(4, 8))) + "."
