"""The default wording in the other languages of the annotators' pages, by question part.

`{which}` is what `WHICH` says; the sentences are built so that it, a dish and a place fit in without being inflected.
"""

from typing import Any, Final

LANGUAGES: Final = {"ko": "Korean", "es": "Spanish", "ar": "Arabic"}
"""Those a question can be worded in besides English, as an admin reads their names."""
RIGHT_TO_LEFT: Final = frozenset({"ar"})

WHICH: Final = {
    "en": {"only": "this", "left": "the food on the left", "right": "the food on the right"},
    "ko": {"only": "이 음식은", "left": "왼쪽 음식은", "right": "오른쪽 음식은"},
    "es": {"only": "esto", "left": "la comida de la izquierda", "right": "la comida de la derecha"},
    "ar": {"only": "هذا الطبق", "left": "الطبق الأيسر", "right": "الطبق الأيمن"},
}

PLACE: Final = {
    "en": {"street": "a street in {country}", "landmark": "a landmark in {country}", "place": "a place in {country}"},
    "ko": {"street": "{country}의 거리", "landmark": "{country}의 명소", "place": "{country}의 장소"},
    "es": {"street": "una calle de {country}", "landmark": "un lugar emblemático de {country}",
           "place": "un lugar de {country}"},
    "ar": {"street": "شارعًا في {country}", "landmark": "مَعلمًا في {country}", "place": "مكانًا في {country}"},
}  # fmt: skip
"""A background without a name of its own, as the object of a question."""

SAMPLE: Final = {
    "en": {"food": "Kimchi-jjigae", "country": "South Korea", "background": "a street in South Korea"},
    "ko": {"food": "김치찌개", "country": "대한민국", "background": "대한민국의 거리"},
    "es": {"food": "kimchi-jjigae", "country": "Corea del Sur", "background": "una calle de Corea del Sur"},
    "ar": {"food": "كيمتشي جيغاي", "country": "كوريا الجنوبية", "background": "شارعًا في كوريا الجنوبية"},
}
"""Names to show a question with."""

IDENTITY: Final[dict[str, dict[str, Any]]] = {
    "ko": {
        "text": "{which} {food}입니까?",
        "help": "얼마나 잘 만들었는지가 아니라 이미지에 보이는 것만으로 판단해 주세요.",
        "reasons": {
            "other_dish": "다른 음식입니다",
            "key_part_wrong": "핵심 재료나 모양이 잘못되었거나 빠져 있습니다",
            "foods_mixed": "두 음식이 서로 뒤섞여 있습니다",
            "not_there": "음식이 없거나 가려져 있습니다",
            "malformed": "형태가 망가져 음식으로 보기 어렵습니다",
        },
    },
    "es": {
        "text": "¿Es {food} {which}?",
        "help": "Valore lo que se ve, no si está bien cocinado.",
        "reasons": {
            "other_dish": "Es otro plato",
            "key_part_wrong": "Falta o es incorrecto un ingrediente o una forma característica",
            "foods_mixed": "Dos comidas se han fundido entre sí",
            "not_there": "La comida no aparece o está tapada",
            "malformed": "Está deformada; no parece comida de verdad",
        },
    },
    "ar": {
        "text": "هل {which} هو {food}؟",
        "help": "احكم على ما يظهر في الصورة، لا على جودة الطهي.",
        "reasons": {
            "other_dish": "هذا طبق آخر",
            "key_part_wrong": "مكوّن أساسي أو شكل مميِّز غير صحيح أو مفقود",
            "foods_mixed": "اختلط طعامان أحدهما بالآخر",
            "not_there": "الطعام غير موجود أو محجوب",
            "malformed": "مشوَّه ولا يبدو طعامًا حقيقيًا",
        },
    },
}

ORIGIN: Final[dict[str, dict[str, Any]]] = {
    "ko": {
        "text": "{food}은(는) {country} 음식입니까?",
        "help": "한 음식의 유래가 여러 나라일 수 있습니다. 이 나라도 그중 하나입니까?",
        "reasons": {
            "other_country": "다른 나라의 음식입니다",
            "shared_origin": "여러 나라가 공유하는 음식이라 이 나라만 적으면 오해를 줍니다",
            "other_style": "다른 나라의 방식으로 표현되어 있습니다",
        },
    },
    "es": {
        "text": "¿Es {food} un plato de {country}?",
        "help": "Un plato puede tener varios orígenes; ¿es este uno de ellos?",
        "reasons": {
            "other_country": "El plato es de otro país",
            "shared_origin": "Lo comparten varios países; citar solo este induce a error",
            "other_style": "Se muestra al estilo de otro país",
        },
    },
    "ar": {
        "text": "هل {food} طبق من {country}؟",
        "help": "قد يعود أصل الطبق إلى عدة بلدان؛ فهل هذا البلد واحد منها؟",
        "reasons": {
            "other_country": "الطبق من بلد آخر",
            "shared_origin": "تشترك فيه عدة بلدان، وذكر هذا البلد وحده مضلِّل",
            "other_style": "معروض بأسلوب بلد آخر",
        },
    },
}

BACKGROUND: Final[dict[str, dict[str, Any]]] = {
    "ko": {
        "text": "배경이 {background}입니까?",
        "help": "음식 뒤의 장면만 보고 판단해 주세요.",
        "reasons": {
            "other_country": "다른 나라의 모습입니다",
            "could_be_anywhere": "이 나라라고 볼 만한 단서가 없습니다",
            "other_place": "제시된 곳과 다른 장소입니다",
            "not_there": "제대로 된 배경이 없습니다",
            "malformed": "장면이 깨졌거나 편집한 흔적이 보입니다",
        },
    },
    "es": {
        "text": "¿Muestra el fondo {background}?",
        "help": "Fíjese solo en la escena que hay detrás de la comida.",
        "reasons": {
            "other_country": "Muestra otro país",
            "could_be_anywhere": "Nada lo vincula con este país",
            "other_place": "Es un lugar distinto del indicado",
            "not_there": "No hay un fondo real",
            "malformed": "Escena defectuosa o con señales visibles de edición",
        },
    },
    "ar": {
        "text": "هل تُظهر الخلفية {background}؟",
        "help": "انظر فقط إلى المشهد الذي خلف الطعام.",
        "reasons": {
            "other_country": "تُظهر بلدًا آخر",
            "could_be_anywhere": "لا شيء فيها يدل على هذا البلد",
            "other_place": "مكان آخر غير المذكور",
            "not_there": "لا توجد خلفية حقيقية",
            "malformed": "مشهد مشوَّه أو آثار تعديل ظاهرة",
        },
    },
}
