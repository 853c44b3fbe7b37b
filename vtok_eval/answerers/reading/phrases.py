"""The words around an answer, in several languages, as regular expressions.

`before`-expressions end where the answer begins; `after`-expressions begin where it ends. They are matched
against plain text (see `plain_text`), without regard to case.
"""

from __future__ import annotations

import re

_F = re.IGNORECASE

_NOUN = (
    r"(?:answer|ans|option|choice|solution|response|selection|pick|guess|prediction|verdict"
    r"|antwort|l[öo]sung|auswahl|r[ée]ponse|choix|respuesta|opci[óo]n|elecci[óo]n|risposta|opzione|scelta"
    r"|resposta|op[çc][ãa]o|escolha|alternativa|antwoord|optie|keuze|letra|lettre|lettera|buchstabe|буква|odpowied[źz]|opcja|svar(?:et)?|vastaus"
    r"|cevap|yan[ıi]t|se[çc]enek|jawaban(?:nya)?|đáp án|câu trả lời|lựa chọn|ответ|вариант|відповідь"
    r"|الإجابة|الجواب|उत्तर)"
)
_ADJECTIVE = (
    r"(?:correct|right|best|final|true|correcta?|corretta|corrett[ao]|correta|correto|correcte|richtige?"
    r"|korrekte?|juiste|giusta|esatta|bonne|exacte|exacta|adecuada|cert[ao]|final[ea]?|правильный|верный|adequada|poprawna|benar|doğru|đúng)"
)
_BE = (
    r"(?:is|was|are|would\s+be|should\s+be|must\s+be|has\s+to\s+be|had\s+to\s+be|might\s+(?:well\s+)?be|may\s+be"
    r"|could\s+be|can\s+be|will\s+be|can\s+only\s+be|seems?|appears?|looks?|remains|being"
    r"|ist|lautet|w[äa]re|sein|est|serait|es|ser[íi]a|[èé]|sarebbe|seria|to|är|er|on|adalah|ialah|là"
    r"|является|это|есть|هي|هو|है)"
)
_SURE = (
    r"(?:\s*(?:,|(?:most|very|more|quite|almost|likely|probably|definitely|clearly|certainly|therefore|thus"
    r"|hence|then|simply|actually|obviously|indeed|still|perhaps|possibly|maybe|presumably|surely|just|also"
    r"|wohl|wahrscheinlich|vermutlich|also|daher|sans\s+doute|probablement|donc|probablemente|por\s+lo\s+tanto"
    r"|probabilmente|quindi|provavelmente|portanto|скорее\s+всего|вероятно)(?!\w)))*"
)
_TAIL = (
    r"\s*:?\s*(?:(?:the|la|el|il|die|der|das|den|o|a|l'|de)(?:\s+|(?<=')))?"
    rf"(?:{_ADJECTIVE}\s+)?(?:(?:options?|choices?|answers?|letters?|number|{_NOUN})\s*:?\s*)?\Z"
)
_ABOUT = (
    r"(?:\s+(?:to|for|of|that|which|who|here|in|given|based|from|à|a|zu|auf|zur|für|de)\b[^.;:\n!?]{0,60}?)?"
)

ANSWER_IS = re.compile(
    rf"(?<!\w){_NOUN}(?:\s+{_ADJECTIVE})?{_ABOUT}"
    rf"(?:\s*\(?(?:final|letter)\)?)?"
    rf"(?:\s+(?<!\w){_BE}(?!\w)(?:\s+(?:to\s+be|like))?|\s*'s|\s*(?::|=+>?|->|→|⇒|-{{1,2}}|–|—)|(?<=ans)\.\s|\s*\]\s*:?|\s*\n)"
    rf"\s*(?::|=|-|–|—)?{_SURE}{_TAIL}",
    _F,
)
"""Before: "The answer to the question is most likely option ...", "Réponse : ...", "Ответ — ..."."""
_ANSWER_BARE = re.compile(
    rf"(?<!\w){_ADJECTIVE}\s+{_NOUN}\s*\Z"
    r"|\A\W*(?:answer|ans|response|antwort|r[ée]ponse|respuesta|risposta"
    r"|resposta|antwoord|odpowied[źz]|svar|cevap|jawaban|đáp án|ответ)\s*\Z",
    _F,
)

CHOOSE = re.compile(
    r"(?:\b(?:choose|chose|choosing|picks?|picked|select(?:ed|ing)?|go(?:ing)?\s+(?:with|for)|went\s+with"
    r"|opt(?:ing)?\s+for|vote\s+for|settle\s+(?:on|for)|stick(?:ing)?\s+with|lean(?:ing)?(?:\s+to(?:wards?)?)?"
    r"|conclude|i(?:'d|'ll|\s+would|\s+will|\s+must|)\s+(?:say|guess|answer)"
    r"|i(?:\s+would|'d)?\s+(?:think|believe|suspect|guess|reckon|feel|mean|vote)|mark|tick|circle"
    r"|w[äa]hle|w[äa]hlen|nehme|denke|glaube|meine|choisis|choisirais|pense|dirais|opte\s+pour"
    r"|elijo|elegir[íi]a|escojo|creo|dir[íi]a|scelgo|sceglierei|penso|direi|escolho|escolheria|acho|diria|kies"
    r"|выбираю|думаю|считаю|wybieram|memilih|chọn)\b"
    rf"|\bich\s+w[üu]rde)(?:\s*(?:,|:|(?:that|it's|it|is|this|the|answer|to|be|must|might|could|would|should"
    rf"|dass|que|c'est|ce|soit|es|che|sia|что|это|sie|auf|f[üu]r)(?!\w)|(?<=\w)'s))*{_SURE}{_TAIL}",
    _F,
)
"""Before: "I would go with ...", "I think it's ...", "je choisis ..."."""

SO = re.compile(
    r"(?:\b(?:it|this|that)(?:'s|\s+(?:is|was|must\s+be|has\s+to\s+be|should\s+be|would\s+be|could\s+be"
    r"|might\s+be|may\s+be|can\s+only\s+be|looks\s+like|seems\s+(?:to\s+be|like)|appears\s+to\s+be))"
    r"|\b(?:must\s+be|which\s+is)|\b(?:so|therefore|thus|hence|consequently|accordingly)\b,?"
    r"|\b(?:leaves|leaving|left\s+with|only)(?:\s+us\s+with)?|\b(?:but|sondern|sino|mais|ma|mas|но|c'est|ce\s+soit|es\s+la|es\s+el)\b|\A\s*es\b|\b(?:clearly"
    r"|certainly|obviously|apparently|perhaps|maybe|probably|possibly"
    r"|likely|definitely|surely|conclusion|verdict|result|final|daher|folglich|donc|entonces|quindi|portanto"
    r"|значит|поэтому|следовательно)\b\s*[:,]?|=>|->|→|⇒|∴)"
    rf"{_SURE}{_TAIL}",
    _F,
)
"""Before, where the sentence ends after the answer: "so ...", "it must be ...", "that leaves ..."."""

CJK_BEFORE = re.compile(
    r"(?:答案\s*(?:应该|應該|可能|应|大概)?\s*(?:是|为|為|选|選|:)|(?:正确|正確|最佳|最合适|合适|最终|最終)(?:的)?"
    r"(?:答案|选项|選項|选择|選擇)?\s*(?:应该|可能)?\s*(?:是|为|為|:)|选项\s*(?:是|为|:)|[应應]?该?[选選][择擇]?(?:项|項)?\s*:?"
    r"|(?:我认为|我認為|我觉得|我覺得|我猜)\s*(?:答案)?\s*(?:应该|可能)?\s*(?:是|选|選)?|(?:应该|應該|可能|大概|也许|应当)是?|(?:所以|因此|故|综上)\s*,?\s*(?:答案)?\s*(?:是|为|選|选)?"
    r"|(?:정답|답|답변|대답|선택)\s*(?:은|는|:)|따라서|그러므로"
    r"|(?:正解|答え|回答|解答|答|正しい(?:選択肢|答え|もの)|選択肢)\s*(?:は|:)|(?:したがって|よって|なので|ので))"
    r"\s*,?\s*(?:选项|選項|선택지|보기|選択肢)?\s*:?\s*\Z"
)
CJK_AFTER = re.compile(
    r"\s*(?:选项|選項|项|項|번|안)?\s*(?:(?:是)?(?:正确|正確|对的|最合适|最佳|最符合)|是(?:正确|正確|对|最)"
    r"|입니다|이다|예요|이에요|이라고\s*생각|라고\s*생각|인\s*것\s*같|[가이]\s*(?:정답|맞|옳)|[를을]\s*(?:선택|고르|고릅)"
    r"|번\s*(?:[.,!]|\Z)|です|だ(?:と思|[.!]|\Z)|である|が(?:正し|正解|答え|適切|最)|を選|と思い|でしょう|\s*है)"
)
CJK_NOT_BEFORE = re.compile(
    r"(?:不是|并非|並非|而不是|而非|不选|不選|不应选|不能选|除了|排除)\s*(?:选项|選項)?\s*\Z"
)
CJK_NOT_AFTER = re.compile(
    r"\s*(?:选项|選項|项|項|번)?\s*(?:(?:是|为)?(?:不正确|不正確|不对|不對|不符|错|錯|排除)|不(?:是|正|对|符|可能|成立)"
    r"|[은는이가도]?\s*(?:아니|아닙|틀|맞지\s*않|제외)|(?:は|では|じゃ|が|も)\s*(?:間違|誤|違|な[いく]|ありません|不))"
)

IS_RIGHT = re.compile(
    r"\s*,?\s*(?:(?:is|was|'s|seems|appears|looks|would\s+be|must\s+be|should\s+be|has\s+to\s+be|might\s+be"
    r"|could\s+be|may\s+be|remains|being|as|ist|est|es|[èé]|is|jest|är|er|adalah|—|-)(?!\w)\s*(?:to\s+be\s+)?"
    rf"{_SURE}\s*(?:the|my|our|an?|die|der|das|la|le|el|il|a|o|de|het)?\s*(?:only|single|most|best|more|final|very)?"
    r"\s*(?:correct|right|best|accurate|appropriate|suitable|plausible|likely|probable|true|answer|choice|option"
    r"|pick|guess|match|fit|one|closest|fitting|better|richtig\w*|korrekt\w*|correcte?|juste|bonne|correct[ao]"
    r"|corrett[ao]|giust[ao]|corret[ao]|cert[ao]|juist\w*|правиль\w*|верн\w*|poprawn\w*|benar|doğru)(?!\w)"
    r"|(?:правиль|верн)\w*)",
    _F,
)
"""After: "... is the correct answer", "... ist richtig"."""
_NEEDS_MOST = re.compile(r"(?:plausible|likely|probable)\Z", _F)
FITS = re.compile(
    r"\s*(?:\([^)]*\)\s*)?(?:(?:best\s+)?(?:fits|matches|describes|works)|is\s+what|(?:remains|is\s+left)(?=\s*(?:[.,;:!]|\Z))|best\b|correctly|accurately)\b",
    _F,
)
"""After: "... fits best". Models also say so of options that they drop later."""
ENDS = re.compile(
    r"""\s*(?:[.,;:!?)\]"'(]|\Z|\n|because\b|since\b|as\b|due\b|weil\b|da\b|car\b|porque\b|-|–|—)""", _F
)

_FILLER = (
    r"(?:\s*(?:be|is|it|it's|its|the|either|to|likely|necessarily|options?|choices?|answers?|letter|select"
    r"|choose|choosing|pick|say|go|with|for|think|believe|that|this|of|correct|right|between|both|any|as|an|by"
    r"|see|consider|at|also|possibly|es|est|ist|la|el|[èé]|die|der|das|option|[:(\['\"])(?!\w))"
)
NOT_BEFORE = re.compile(
    r"(?:\b(?:not|never|neither|nor|cannot|without|unlike|except|excluding|besides|than|instead\s+of"
    r"|in\s+place\s+of|opposed\s+to|doubt|hardly|anything\s+but|wrong\s+to|unlikely|nicht|kein\w*|weder|noch|pas|ni|n[ãa]o|non|не|niet|nie|nicht)|n't"
    r"|\b(?:eliminat\w*|rul\w+\s+out|exclud\w+|discard\w*|reject\w*|dismiss\w*|cross\w*\s+out|against|avoid))\b"
    rf"{_FILLER}{{0,7}}\s*\Z"
    r"|\b(?:wrong|incorrect|false|unlikely|falsche?|fausse|incorrecta|sbagliata|errada)\s+(?:answers?|options?|choices?)"
    r"\W*(?:is|are|was|be)?\s*(?:option\s+)?\(?\s*\Z",
    _F,
)
NOT_AFTER = re.compile(
    r"\s*(?:\([^)]*\)\s*)?,?\s*(?:(?:is|was|are|were|seems?|looks?|appears?|can|could|would|should|do|does|did"
    r"|has|have|will|might|may|must)\s*(?:n't|not|never|no)\b|(?:isn|wasn|aren|can|doesn|don|didn|won|wouldn)'t"
    r"|cannot\b|(?:is|was|are|were|seems?|looks?|appears?|being|as)\s+"
    r"(?:(?:also|clearly|both|all|simply|obviously|therefore|just|definitely|a|an|to\s+be|probably|likely)\s+)*"
    r"(?:wrong|incorrect|false|out|ruled\s+out|eliminated|excluded|impossible|distractors?|invalid|irrelevant"
    r"|unlikely|inaccurate|unsupported|off|mistaken|contradicted|falsch\w*)\b"
    r"|(?:can|must|should|may|could)\s+be\s+(?:safely\s+|also\s+)?(?:ruled|eliminated|excluded|discarded|dismissed"
    r"|rejected|crossed|ignored)|lacks?\b|contradicts?\b|fails?\b|out\b|ist\s+(?:nicht|falsch)|n'est\s+pas"
    r"|est\s+(?:fausse|incorrecte)|no\s+es\b|es\s+incorrecta|non\s+[èe]\b|não\s+é\b|не\b|is\s+niet"
    r"|\s*[:\-–—?]\s*(?:wrong|incorrect|false|no\b|not\b|nope|❌|✗|x\b))",
    _F,
)

HYPOTHESIS = re.compile(
    r"\b(?:if|unless|whether|had\s+it|were\s+it|wenn|если)\b(?!\s+i\b|\s+(?:forced|pressed|pushed))", _F
)
SUPERSEDED = re.compile(
    r"\b(?:at\s+first|initially|originally|at\s+a\s+glance|first,?\s+i|i\s+first|earlier)\b"
    r"|\b(?:thought|assumed|supposed|believed)\b",
    _F,
)
OTHERS = re.compile(
    r"\b(?:some(?:one|body|\s+people)?|others|people|one|you|many)\s+(?:might|may|could|would)\b", _F
)
CORRECTION = re.compile(
    r"(?:(?<=[.,;:!?…\n—–-])|(?<=[.,;:!?…—–-]\s))\s*(?:(?:but|oh|hmm+|no|ah)\s*,?\s*)*(?:no\s*,?\s*wait|wait"
    r"|hold\s+on|scratch\s+that|on\s+second\s+thoughts?|correction|my\s+mistake|let\s+me\s+(?:re\w+|correct)"
    r"|i\s+(?:mean|meant)|sorry|oops|actually|moment|warte|attends|espera|aspetta|等等|不对|아니)"
    r"(?!\w)[\s,.:;!…—–-]*",
    _F,
)
"""A model takes back what it said."""

REFUSAL = re.compile(
    r"\b(?:unable|not\s+able|impossible|difficult|hard)\s+to\s+(?:see|view|watch|tell|determine|answer|identify"
    r"|say|choose|decide|access|verify|know|help|process|analy[sz]e|select|pick|make\s+out)"
    r"|\b(?:can(?:not|'t| not)|could(?:n't| not)|do(?:n't| not)|am\s+not)"
    r"\s+(?:actually\s+|really\s+|directly\s+)?(?:see|view|watch|tell|determine|answer|identify|say|choose|decide|access|verify|know|help|process|analy[sz]e"
    r"|have\s+(?:enough|access)|select|pick|make\s+out|assist|be\s+(?:determined|answered|seen))"
    r"|\bnot\s+enough\s+(?:information|context|detail)|\binsufficient\b|\bno\s+(?:way|idea|clue|answer)\b"
    r"|\btoo\s+\w+\s+to\s+(?:tell|see|say|determine|know)|\bplease\s+(?:provide|upload|share)|\bi'?m\s+sorry\b|\bsorry\b"
    r"|\bunclear\b|\bcannot\s+be\s+determined\b|\bwould\s+be\s+needed\b"
    r"|无法|不能(?:回答|确定|看)|抱歉|对不起|알\s*수\s*없|죄송|볼\s*수\s*없|できません|申し訳|わかりません|分かりません"
    r"|\btut\s+mir\s+leid|\bkann\s+\w+\s+(?:\w+\s+)?nicht|\bje\s+ne\s+(?:peux|sais)|\bno\s+(?:puedo|s[ée])\b"
    r"|\blo\s+siento|\bnon\s+(?:posso|so)\b|\bn[ãa]o\s+(?:posso|sei|consigo)|не\s+(?:могу|знаю)|извините",
    _F,
)
"""A model says that it cannot answer."""


def is_right(after: str) -> bool:
    """Whether the text after an answer calls it the right one; "is likely" alone does not.

    Example:
        >>> is_right(" is correct"), is_right(" is wrong")
        (True, False)
    """
    match = IS_RIGHT.match(after)
    if match is None:
        return False
    bare = _NEEDS_MOST.search(match[0])
    return bare is None or re.search(r"\b(?:most|more|best)\b", match[0], _F) is not None


def says_answer(before: str) -> bool:
    """Whether the text before an answer calls it the answer, or says that it is chosen."""
    return bool(
        ANSWER_IS.search(before)
        or _ANSWER_BARE.search(before)
        or CHOOSE.search(before)
        or CJK_BEFORE.search(before)
    )
